// Kernel: the descriptor table and what system calls do to it. Time and readiness are
// kernel_wait.cc's.
#include "tests/sim/kernel.h"

#include <algorithm>
#include <cerrno>

namespace sluice::sim {

namespace {

constexpr int first_descriptor = 3;
constexpr uint64_t most_acts_in_turn = 20'000;
constexpr size_t most_piped_bytes = 512 * 1024;

Kernel* current = nullptr;

}  // namespace

Kernel& kernel() {
  return *current;
}

Kernel::Kernel(const Rules& rules) : rules_(rules), table_(first_descriptor) {
  current = this;
}

Kernel::~Kernel() {
  current = nullptr;
}

int Kernel::make_listener(const Address& address) {
  const int fd = allocate(Kind::listener, true);
  table_[static_cast<size_t>(fd)].listener = std::make_unique<Listener>();
  table_[static_cast<size_t>(fd)].listener->address = address;
  return fd;
}

Connection& Kernel::connect_client(int listener, const Link& link, const Address& from) {
  Connection& connection = add_connection(link);
  connection.remote = from;
  connection.establish();
  entry(listener, Kind::listener).listener->waiting.push_back(&connection);
  wake(listener);
  return connection;
}

void Kernel::abort_client(int listener) {
  entry(listener, Kind::listener).listener->waiting.push_back(nullptr);
  wake(listener);
}

int Kernel::make_log(std::function<ssize_t(std::string_view)> write) {
  const int fd = allocate(Kind::log, true);
  table_[static_cast<size_t>(fd)].write = std::move(write);
  return fd;
}

void Kernel::raise_signal(int signal) {
  world().note("signal %lld", signal);
  signals_.push_back(signal);
  if (signal_fd_ >= 0) wake(signal_fd_);
}

int Kernel::open_descriptors() const {
  return static_cast<int>(std::count_if(table_.begin(), table_.end(), [](const Entry& entry) {
    return entry.kind != Kind::none && !entry.ours;
  }));
}

std::string Kernel::describe_descriptors() const {
  std::string text;
  for (size_t fd = 0; fd < table_.size(); ++fd) {
    const Entry& entry = table_[fd];
    if (entry.kind == Kind::none || entry.ours) continue;
    text += " " + std::to_string(fd) + " (kind " + std::to_string(static_cast<int>(entry.kind));
    if (entry.connection != nullptr) text += ", #" + std::to_string(entry.connection->number());
    text += ")";
  }
  return text;
}

// --- system calls
// ---------------------------------------------------------------------------------

Connection& Kernel::stream(int fd) {
  return *entry(fd, Kind::stream).connection;
}

int Kernel::new_stream() {
  const int fd = allocate(Kind::stream, false);
  if (fd < 0) return -EMFILE;
  Connection& connection = add_connection(upstream_link);
  connection.fd = fd;
  table_[static_cast<size_t>(fd)].connection = &connection;
  return fd;
}

// As Linux: the descriptor is allocated before the queue is looked at.
int Kernel::accept(int listener, Address& peer) {
  auto& waiting = entry(listener, Kind::listener).listener->waiting;
  if (!descriptors_left()) {
    world().note("accept: EMFILE, %lld wait", static_cast<int64_t>(waiting.size()));
    return -EMFILE;
  }
  if (waiting.empty()) return -EAGAIN;
  if (rules_.accept_faults > 0 && world().random.chance(30)) {
    --rules_.accept_faults;
    return -ENFILE;
  }
  Connection* connection = waiting.front();
  waiting.pop_front();
  progress();
  if (connection == nullptr) return -ECONNABORTED;
  const int fd = allocate(Kind::stream, false);
  table_[static_cast<size_t>(fd)].connection = connection;
  connection->fd = fd;
  connection->handed_ns = connection->touched_ns = world().now_ns();
  peer = connection->remote;
  world().note("accept #%lld as descriptor %lld", connection->number(), fd);
  return fd;
}

bool Kernel::connection_waits(int listener) {
  return !entry(listener, Kind::listener).listener->waiting.empty();
}

int Kernel::connect(int fd, const Address& address) {
  Connection& connection = stream(fd);
  connection.remote = address;
  connection.handed_ns = connection.touched_ns = world().now_ns();
  progress();
  const int answer = dialled->on_connect(connection, address);
  world().note("connect #%lld as descriptor %lld: %lld", connection.number(), fd, answer);
  return answer;
}

int Kernel::close(int fd, bool abort) {
  const auto index = static_cast<size_t>(fd);
  if (fd < first_descriptor || index >= table_.size() || table_[index].kind == Kind::none) {
    world().fail("close() of descriptor " + std::to_string(fd) + ", which is not open");
  }
  Entry& closing = table_[index];
  if (closing.watched) {
    world().fail("descriptor " + std::to_string(fd) + " is closed while it is watched");
  }
  if (closing.ours && closing.kind != Kind::listener) {
    world().fail("descriptor " + std::to_string(fd) + " is not the proxy's to close");
  }
  if (closing.kind == Kind::stream) closing.connection->close(abort || closing.abort);
  if (closing.kind == Kind::listener) {
    for (Connection* waiting : closing.listener->waiting) {
      if (waiting != nullptr) waiting->close(true);
    }
  }
  if (fd == signal_fd_) signal_fd_ = -1;
  closing = Entry();
  progress();
  return 0;
}

void Kernel::mark_abort(int fd) {
  entry(fd, Kind::stream).abort = true;
}

int Kernel::make_pipe(int ends[2]) {
  ends[0] = allocate(Kind::pipe_out, false);
  if (ends[0] < 0) return ends[0];
  ends[1] = allocate(Kind::pipe_in, false);
  if (ends[1] < 0) {
    table_[static_cast<size_t>(ends[0])] = Entry();
    return ends[1];
  }
  for (int i = 0; i < 2; ++i) {
    Entry& end = table_[static_cast<size_t>(ends[i])];
    end.pipe = i == 0 ? std::make_shared<ByteQueue>() : table_[static_cast<size_t>(ends[0])].pipe;
  }
  return 0;
}

// As Linux: what a pipe takes hangs on how the bytes lie in pages, so any part may be all of it.
ssize_t Kernel::splice(int from, int to, size_t bytes) {
  const auto index = static_cast<size_t>(to);
  const size_t most = world().random.chance(20) ? 13 : rules_.most_spliced;
  bytes = std::min<size_t>(bytes, world().random.between(1, most));
  if (index < table_.size() && table_[index].kind == Kind::pipe_in) {
    Connection& source = stream(from);
    if (source.at_mark()) return -EAGAIN;
    ByteQueue& pipe = *entry(to, Kind::pipe_in).pipe;
    bytes = std::min(bytes, most_piped_bytes - pipe.size());
    if (bytes == 0) return -EAGAIN;
    std::string moved(bytes, '\0');
    const ssize_t got = source.recv(moved.data(), bytes);
    if (got > 0) pipe.append({moved.data(), static_cast<size_t>(got)});
    return got;
  }
  ByteQueue& pipe = *entry(from, Kind::pipe_out).pipe;
  if (pipe.empty()) return -EAGAIN;
  const ssize_t sent = stream(to).send(pipe.view().substr(0, bytes));
  if (sent > 0) pipe.drop(static_cast<size_t>(sent));
  return sent;
}

ssize_t Kernel::read_pipe(int fd, char* buffer, size_t bytes) {
  ByteQueue& pipe = *entry(fd, Kind::pipe_out).pipe;
  if (pipe.empty()) return -EAGAIN;
  const std::string taken = pipe.take(std::min<size_t>(bytes, world().random.between(1, bytes)));
  std::memcpy(buffer, taken.data(), taken.size());
  return static_cast<ssize_t>(taken.size());
}

int Kernel::make_signal_pipe() {
  signal_fd_ = allocate(Kind::signals, true);
  return signal_fd_;
}

int Kernel::next_signal(int fd) {
  entry(fd, Kind::signals);
  if (signals_.empty()) return 0;
  const int signal = signals_.front();
  signals_.pop_front();
  progress();
  if (on_signal_read) on_signal_read(signal);
  return signal;
}

ssize_t Kernel::write_log(int fd, std::string_view bytes) {
  return entry(fd, Kind::log).write(bytes);
}

int Kernel::new_poller() {
  return allocate(Kind::poller, false);
}

bool Kernel::take_watch_fault() {
  if (rules_.watch_faults == 0 || !world().random.chance(20)) return false;
  --rules_.watch_faults;
  world().note("epoll_ctl: ENOSPC");
  return true;
}

bool Kernel::take_mapping_fault() {
  if (rules_.mappings_until_fault == 0 || --rules_.mappings_until_fault > 0) return false;
  world().note("mmap: ENOMEM");
  return true;
}

// A loop of system calls inside one turn would never come back here.
void Kernel::count_act() {
  if (++acts_in_turn > most_acts_in_turn) {
    world().fail("more than " + std::to_string(most_acts_in_turn) + " system calls in one turn");
  }
}

Kernel::Entry& Kernel::entry(int fd, Kind kind) {
  const auto index = static_cast<size_t>(fd);
  if (fd < first_descriptor || index >= table_.size() || table_[index].kind != kind) {
    world().fail("system call on descriptor " + std::to_string(fd) + ", which is not of that kind");
  }
  return table_[index];
}

int Kernel::lowest_free() const {
  for (size_t fd = first_descriptor; fd < table_.size(); ++fd) {
    if (table_[fd].kind == Kind::none) return static_cast<int>(fd);
  }
  const auto next = static_cast<int>(table_.size());
  return next < rules_.descriptor_limit ? next : -1;
}

int Kernel::allocate(Kind kind, bool ours) {
  const int fd = lowest_free();
  if (fd < 0) return -EMFILE;
  if (static_cast<size_t>(fd) >= table_.size()) table_.resize(static_cast<size_t>(fd) + 1);
  Entry& fresh = table_[static_cast<size_t>(fd)];
  fresh.kind = kind;
  fresh.ours = ours;
  return fd;
}

Connection& Kernel::add_connection(const Link& link) {
  const auto number = static_cast<uint32_t>(connections_.size());
  connections_.push_back(std::make_unique<Connection>(
      link, number, [this](Connection& connection) { wake(connection.fd); }));
  return *connections_.back();
}

}  // namespace sluice::sim
