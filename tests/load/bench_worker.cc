// BenchWorker: the phases of a thread, and what its connections ask of the reactor.
#include "tests/load/bench_worker.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "net/sys.h"
#include "tests/load/common_nap.h"
#include "tests/load/common_system.h"

namespace sluice::load {

namespace {

constexpr uint32_t most_unsettled = 256;  // handshakes at a time: listeners' queues are finite
constexpr uint64_t handshake_ms = 10'000;
constexpr uint64_t close_ms = 2'000;         // without a byte from the server
constexpr uint64_t most_ending_ms = 10'000;  // however busy the server still is
constexpr int look_ms = 50;                  // how long a stop may go unnoticed
constexpr int cycles_a_turn = 64;
constexpr double second_ns = 1e9;

constexpr const char* no_extended_connect =
    "the server does not offer WebSockets over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441):"
    " set http2 on there, or leave out --http2";
constexpr const char* no_streams =
    "the server permits no stream (SETTINGS_MAX_CONCURRENT_STREAMS 0)";

using Mode = BenchOptions::Mode;
using Stage = BenchConnection::Stage;

uint64_t ms_of(uint64_t ns) {
  return ns / 1'000'000;
}

// A descriptor on its way to `address`, or -errno.
int connect_from(const Address& address, const Address* source) {
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return fd;
  if (!address.is_unix()) sys::set_no_delay(fd);
  if (source != nullptr) choose_port_late(fd);
  int answer = source == nullptr ? 0 : sys::bind(fd, *source);
  if (answer == 0) answer = sys::connect(fd, address);
  if (answer == 0 || answer == -EINPROGRESS) return fd;
  sys::close(fd);
  return answer;
}

}  // namespace

BenchWorker::BenchWorker(Run& run, uint32_t index)
    : run_(run),
      options_(run.options),
      index_(index),
      share_((options_.connections - index + options_.threads - 1) / options_.threads),
      shared_(run),
      id_(reactor_.attach(*this)),
      http2_(reactor_, *this, Http2Session::Role::client, 0),
      carriers_(options_.streams_per_connection),
      handles_(share_) {
  shared_.counting = options_.warm_up_ms == 0;
}

void BenchWorker::run() {
  if (options_.mode != Mode::connect) open_all();
  await_others();
  begin_all();
  drive();
  end_all();
  run_.threads_running.fetch_sub(1);
}

// --- phases
// ---------------------------------------------------------------------------------------

void BenchWorker::open_all() {
  const uint64_t begin_ns = sys::monotonic_ns();
  uint32_t next = 0;
  while ((next < share_ || unsettled_ > 0 || !retries_.empty()) && !run_.stop) {
    while (!retries_.empty() && unsettled_ < most_unsettled) {
      const uint32_t number = retries_.back();
      retries_.pop_back();
      connect(number, sys::monotonic_ns());
    }
    const int wait_ms = open_due(next, begin_ns);
    turn(retries_.empty() ? wait_ms : 0);
  }
  shared_.tally.opening_ns = sys::monotonic_ns() - begin_ns;
}

// Opens what is due; returns how long the next turn may wait.
int BenchWorker::open_due(uint32_t& next, uint64_t begin_ns) {
  while (next < share_ && unsettled_ < most_unsettled) {
    const uint32_t number = index_ + next * options_.threads;
    const uint64_t due_ms = options_.ramp_ms * number / options_.connections;
    const uint64_t now_ns = sys::monotonic_ns();
    const uint64_t passed_ms = ms_of(now_ns - begin_ns);
    if (due_ms > passed_ms)
      return static_cast<int>(std::min<uint64_t>(look_ms, due_ms - passed_ms));
    ++next;
    connect(number, now_ns);
  }
  return unsettled_ > 0 ? look_ms : 0;
}

void BenchWorker::await_others() {
  if (run_.threads_opening.fetch_sub(1) == 1) run_.start_ns = sys::monotonic_ns();
  while (run_.start_ns == 0) turn(1);
  start_ns_ = run_.start_ns;
  counted_from_ns_ = start_ns_ + options_.warm_up_ms * 1'000'000;
  if (options_.duration_ms > 0) end_ns_ = counted_from_ns_ + options_.duration_ms * 1'000'000;
}

void BenchWorker::begin_all() {
  const uint64_t now_ns = sys::monotonic_ns();
  const uint64_t rate = options_.mode == Mode::connect ? options_.connect_rate : options_.rate;
  Schedule schedule;
  double first_ns = static_cast<double>(start_ns_);
  if (rate > 0) {
    const double per_message_ns = second_ns / static_cast<double>(rate);
    step_ns_ = per_message_ns * options_.connections / share_;
    first_ns += per_message_ns * index_;  // the threads take turns
    next_ns_ = first_ns;
    wake_promptly();
    schedule.interval_ns = step_ns_ * share_;
  }
  for (uint32_t i = 0; i < share_; ++i) {
    schedule.first_ns = static_cast<uint64_t>(first_ns + step_ns_ * i);
    BenchConnection* connection = connections_.get(handles_[i]);
    if (connection == nullptr) continue;
    connection->begin(shared_, now_ns, schedule);
    pump(handles_[i], *connection);
  }
}

void BenchWorker::drive() {
  uint64_t now_ns = sys::monotonic_ns();
  while (!over(now_ns)) {
    if (!counted_ && now_ns >= counted_from_ns_) begin_counting(now_ns);
    if (options_.mode == Mode::connect) {
      start_cycles(now_ns);
    } else if (step_ns_ > 0) {
      release_messages(now_ns);
    }
    now_ns = sys::monotonic_ns();
    const uint64_t until_ns = next_due_ns();
    const uint64_t left_ns = until_ns - std::min(until_ns, now_ns);
    if (left_ns > 0 && left_ns < 1'000'000 && reactor_.run_queue_length() == 0) {
      http2_.flush_all();
      nap(reactor_.descriptor(), left_ns);  // the poller's clock is too coarse
      turn(0);
    } else {
      turn(static_cast<int>(std::min<uint64_t>(look_ms, ms_of(left_ns))));
    }
    now_ns = sys::monotonic_ns();
  }
  mark("end");
  Tally& tally = shared_.tally;
  tally.open_at_end = tally.open.value();
  const bool counted_out = options_.messages > 0 && tally.last_message_ns > 0 && !run_.stop;
  const uint64_t counted_to_ns = counted_out ? tally.last_message_ns : std::min(now_ns, end_ns_);
  tally.counted_ns = counted_to_ns - std::min(counted_from_ns_, counted_to_ns);
}

void BenchWorker::begin_counting(uint64_t now_ns) {
  counted_ = true;
  mark("begin");
  if (options_.warm_up_ms == 0) return;
  shared_.counting = true;
  counted_from_ns_ = now_ns;
}

// The first thread's clock stands for all.
void BenchWorker::mark(const char* line) const {
  if (options_.marks && index_ == 0) std::fprintf(stderr, "%s\n", line);
}

void BenchWorker::end_all() {
  ending_ = true;
  shared_.counting = false;
  connections_.for_each([&](Handle handle, BenchConnection& connection) {
    if (run_.stop && connection.stage() < Stage::open) {
      return on_end(handle, connection, connection.stage());
    }
    connection.finish();
    pump(handle, connection);
  });
  const uint64_t latest_ns = sys::monotonic_ns() + most_ending_ms * 1'000'000;
  while (connections_.live() > 0 && sys::monotonic_ns() < latest_ns) turn(look_ms);
  connections_.for_each([&](Handle handle, BenchConnection& connection) {
    const Stage before = connection.stage();
    while (!connection.expire(shared_)) continue;
    on_end(handle, connection, before);
  });
  connections_.sweep();
  http2_.end_all();
}

// What was given to streams outside of a turn does not wait for the next one's end.
void BenchWorker::turn(int most_ms) {
  http2_.flush_all();
  reactor_.turn(most_ms);
}

// --- pace
// -----------------------------------------------------------------------------------------

void BenchWorker::release_messages(uint64_t now_ns) {
  while (next_ns_ <= static_cast<double>(now_ns)) {
    const Handle handle = handles_[released_ % share_];
    next_ns_ += step_ns_;
    ++released_;
    BenchConnection* connection = connections_.get(handle);
    if (connection == nullptr) continue;
    connection->add_due();
    pump(handle, *connection);
  }
}

void BenchWorker::start_cycles(uint64_t now_ns) {
  for (int i = 0; i < cycles_a_turn && connections_.live() < share_; ++i) {
    uint64_t intended_ns = now_ns;
    if (step_ns_ > 0) {
      if (next_ns_ > static_cast<double>(now_ns)) return;
      intended_ns = static_cast<uint64_t>(next_ns_);
      next_ns_ += step_ns_;
    }
    connect(static_cast<uint32_t>(released_++), intended_ns);
  }
}

// When there is something to do even if nothing happens.
uint64_t BenchWorker::next_due_ns() const {
  const bool cycles = options_.mode == Mode::connect && connections_.live() < share_;
  if (cycles && step_ns_ == 0) return 0;
  if (step_ns_ > 0 && (cycles || options_.mode == Mode::echo)) {
    return std::min(end_ns_, static_cast<uint64_t>(next_ns_));
  }
  return end_ns_;
}

bool BenchWorker::over(uint64_t now_ns) const {
  if (run_.stop || now_ns >= end_ns_) return true;
  return options_.mode != Mode::connect && connections_.live() == 0;
}

// --- connections
// ----------------------------------------------------------------------------------

void BenchWorker::connect(uint32_t number, uint64_t started_ns) {
  int error = 0;
  const size_t address = address_;
  if (!try_connect(number, started_ns, error)) on_connect_error(number, address, error);
}

bool BenchWorker::try_connect(uint32_t number, uint64_t started_ns, int& error) {
  if (options_.http2) return await_stream(number, started_ns, error);
  const size_t sources = options_.sources.size();
  const Address* source = sources > 0 ? &options_.sources[connects_++ % sources] : nullptr;
  const int fd = connect_from(options_.addresses[address_], source);
  if (fd < 0) {
    error = -fd;
    return false;
  }
  const Handle handle = connections_.create(fd, number, quota_of(number), started_ns);
  BenchConnection& connection = *connections_.get(handle);
  connection.address = address_;
  if (const Status watched = reactor_.watch(fd, id_, handle, 0); !watched.ok()) {
    connections_.retire(handle);
    error = watched.fault().error;
    return false;
  }
  if (options_.mode != Mode::connect) handles_[number / options_.threads] = handle;
  ++unsettled_;
  arm(handle, connection, handshake_ms);
  return true;
}

bool BenchWorker::await_stream(uint32_t number, uint64_t started_ns, int& error) {
  const Handle handle = connections_.create(-1, number, quota_of(number), started_ns);
  BenchConnection& connection = *connections_.get(handle);
  if (options_.mode != Mode::connect) handles_[number / options_.threads] = handle;
  ++unsettled_;
  arm(handle, connection, handshake_ms);
  if (assign(handle, connection, error)) return true;
  --unsettled_;
  reactor_.cancel(connection.timer);
  connections_.retire(handle);
  return false;
}

// To a carrier that has room, or a new one. False, with an errno, where none can be had.
bool BenchWorker::assign(Handle handle, BenchConnection& connection, int& error) {
  if (find_carrier() == nullptr && !open_carrier(error)) return false;
  BenchCarrier& carrier = *find_carrier();
  carriers_.take(carrier);
  connection.carrier = carrier.connection;
  connection.address = carrier.address;
  if (!carrier.settled) {
    carrier.waiting.push_back(handle);
  } else {
    open_stream(handle, connection, http2_.get(carrier.connection)->session);
  }
  return true;
}

BenchCarrier* BenchWorker::find_carrier() {
  while (BenchCarrier* carrier = carriers_.with_room()) {
    const Http2Connection* connection = http2_.get(carrier->connection);
    if (connection != nullptr && !connection->session.refuses_streams()) return carrier;
    carriers_.close(*carrier);
  }
  return nullptr;
}

bool BenchWorker::open_carrier(int& error) {
  const size_t sources = options_.sources.size();
  const Address* source = sources > 0 ? &options_.sources[connects_++ % sources] : nullptr;
  const int fd = connect_from(options_.addresses[address_], source);
  if (fd < 0) {
    error = -fd;
    return false;
  }
  Link link(fd);
  if (run_.tls != nullptr) {
    if (!options_.tls_resume) shared_.session.keep(nullptr);
    auto tls = run_.tls->connect(fd, options_.server.host, shared_.session);
    offer_http2(*tls);
    link.secure(std::move(tls));
  }
  const Result<Handle> opened = http2_.connect(std::move(link));
  if (!opened.ok()) {
    error = opened.fault().error;
    return false;
  }
  carriers_.add(opened.value(), address_);
  return true;
}

void BenchWorker::open_stream(Handle handle, BenchConnection& connection, Http2Session& session) {
  std::unique_ptr<Http2Stream> stream = session.open(stream_request(options_));
  if (stream == nullptr) {
    if (BenchCarrier* carrier = carriers_.get(connection.carrier)) carriers_.close(*carrier);
    return refuse(handle, 0, "the server takes no stream more: " + session.reason());
  }
  stream->owner = handle;
  connection.carry(std::move(stream));
}

void BenchWorker::refuse(Handle handle, int connect_error, const std::string& why) {
  BenchConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  const Stage before = connection->stage();
  connection->refuse(shared_, connect_error, why);
  on_end(handle, *connection, before);
}

void BenchWorker::on_stream(Handle owner, Readiness ready) {
  on_ready(owner, 0, ready);
}

void BenchWorker::on_secured(const Link& link) {
  shared_.tally.secured.add(1);
  if (link.resumed()) shared_.tally.resumed.add(1);
}

void BenchWorker::on_settled(Handle connection, Http2Session& session) {
  BenchCarrier& carrier = *carriers_.get(connection);
  shared_.tally.carriers.add(1);
  std::vector<Handle> left_over;
  std::vector<Handle> waiting = carriers_.settle(carrier, session.most_streams(), left_over);
  for (const Handle handle : left_over) connections_.get(handle)->carrier = Handle();
  if (!session.extended_connect() || session.most_streams() == 0) {
    carriers_.close(carrier);
    const char* why = session.extended_connect() ? no_streams : no_extended_connect;
    for (const Handle handle : waiting) refuse(handle, 0, why);
    for (const Handle handle : left_over) refuse(handle, 0, why);
    session.end();
    return;
  }
  for (const Handle handle : waiting) {
    open_stream(handle, *connections_.get(handle), session);
  }
  for (const Handle handle : left_over) {
    int error = 0;
    if (!assign(handle, *connections_.get(handle), error)) refuse(handle, error, "");
  }
}

// Streams were told before; here are those that had none yet.
void BenchWorker::on_lost(Handle connection, int connect_error, const std::string& why) {
  for (const Handle handle : carriers_.remove(connection)) refuse(handle, connect_error, why);
}

// Where a name has several addresses ("localhost"), the first that answers is used.
void BenchWorker::on_connect_error(uint32_t number, size_t address, int error) {
  const bool another = address + 1 < options_.addresses.size();
  if (another && shared_.tally.opened.value() == 0 && options_.mode != Mode::connect) {
    address_ = std::max(address_, address + 1);
    retries_.push_back(number);
    return;
  }
  if (another && options_.mode == Mode::connect) address_ = address + 1;
  shared_.tally.error(ErrorKind::connect,
                      options_.addresses[address].text() + ": " + std::strerror(error));
}

uint64_t BenchWorker::quota_of(uint32_t number) const {
  if (options_.idle_messages > 0) return options_.idle_messages;
  if (options_.messages == 0) return BenchConnection::unlimited;
  const uint64_t rest = options_.messages % options_.connections;
  return options_.messages / options_.connections + (number < rest ? 1 : 0);
}

void BenchWorker::on_ready(Handle handle, unsigned, Readiness ready) {
  BenchConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->link().note(ready);
  pump(handle, *connection);
}

void BenchWorker::on_run(Handle handle) {
  BenchConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->queued = false;
  pump(handle, *connection);
}

void BenchWorker::on_timer(Handle handle, unsigned) {
  BenchConnection* connection = connections_.get(handle);
  if (connection == nullptr) return;
  connection->timer = 0;
  const Stage before = connection->stage();
  if (connection->expire(shared_)) return on_end(handle, *connection, before);
  arm(handle, *connection, close_ms);
}

void BenchWorker::on_turn_end() {
  connections_.sweep();
}

void BenchWorker::pump(Handle handle, BenchConnection& connection) {
  if (connection.queued) return;
  const Stage before = connection.stage();
  const bool more = connection.pump(shared_);
  if (before < Stage::open && connection.stage() >= Stage::open) {
    if (connection.stage() != Stage::ended) on_open(handle, connection);
  }
  if (connection.stage() == Stage::ended) return on_end(handle, connection, before);
  if (connection.stage() >= Stage::closing && connection.timer == 0) {
    arm(handle, connection, close_ms);
  }
  if (more && !connection.queued) {
    connection.queued = true;
    reactor_.enqueue(id_, handle);
  }
}

void BenchWorker::on_open(Handle handle, BenchConnection& connection) {
  --unsettled_;
  shared_.tally.opened.add(1);
  shared_.tally.open.add(1);
  reactor_.cancel(connection.timer);
  connection.timer = 0;
  if (quota_of(connection.number()) == 0 || options_.mode == Mode::connect || ending_) {
    connection.finish();
    connection.queued = true;  // the Close goes out with the next run
    reactor_.enqueue(id_, handle);
  }
}

void BenchWorker::on_end(Handle handle, BenchConnection& connection, Stage before) {
  if (before < Stage::open) {
    --unsettled_;
  } else {
    shared_.tally.open.subtract(1);
  }
  const int error = connection.connect_error();
  reactor_.cancel(connection.timer);
  if (connection.link().fd() >= 0) reactor_.unwatch(connection.link().fd());
  if (connection.carrier) carriers_.release(connection.carrier, handle);
  connections_.retire(handle);
  if (error != 0) on_connect_error(connection.number(), connection.address, error);
}

void BenchWorker::arm(Handle handle, BenchConnection& connection, uint64_t ms) {
  connection.timer = reactor_.arm(reactor_.now_ms() + ms, id_, handle, 0);
}

}  // namespace sluice::load
