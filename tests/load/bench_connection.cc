// BenchConnection: received bytes are compared where they lie in the thread's buffer, sent ones are
// made for it; an open connection owns nothing but its place in both streams.
#include "tests/load/bench_connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/connector.h"
#include "net/sys.h"

namespace sluice::load {

namespace {

constexpr int rounds_a_pump = 4;             // then others get their turn
constexpr size_t most_control_bytes = 4096;  // of pongs that wait; further pings get none

using Mode = BenchOptions::Mode;

}  // namespace

BenchConnection::BenchConnection(int fd, uint32_t number, uint64_t quota, uint64_t started_ns)
    : link_(fd), quota_(quota), started_ns_(started_ns), number_(number) {}

void BenchConnection::carry(std::unique_ptr<Http2Stream> stream) {
  link_.carry(std::move(stream));
  stage_ = Stage::opening;
}

void BenchConnection::refuse(BenchShared& shared, int connect_error, const std::string& why) {
  connect_error_ = connect_error;
  stage_ = Stage::ended;
  if (connect_error == 0) fail(shared, ErrorKind::handshake, why);
}

bool BenchConnection::pump(BenchShared& shared) {
  for (int round = 0; round < rounds_a_pump; ++round) {
    if (stage_ == Stage::connecting && link_.writable()) connect_done(shared);
    if (stage_ == Stage::securing) secure(shared);
    if (stage_ < Stage::opening || stage_ == Stage::ended) return false;
    if (stage_ == Stage::opening && link_.stream() == nullptr) send_request(shared);
    if (stage_ == Stage::opening && link_.stream() != nullptr) take_stream_answer(shared);
    if (link_.readable() && stage_ != Stage::ended) receive(shared);
    if (stage_ != Stage::ended && can_send(shared)) transmit(shared);
    if (stage_ == Stage::ended) return false;
    if (!link_.readable() && !can_send(shared)) return false;
  }
  return true;
}

void BenchConnection::begin(BenchShared& shared, uint64_t now_ns, const Schedule& schedule) {
  schedule_ = schedule;
  sending_ = shared.run.options.sends();
  if (shared.run.options.awaits() && schedule.interval_ns == 0) {
    allowed_ns_.assign(shared.run.options.pipeline, now_ns);
  }
}

void BenchConnection::finish() {
  if (stage_ != Stage::open) return;
  stage_ = Stage::closing;
  static constexpr uint8_t normal[2] = {1000 >> 8, 1000 & 0xff};
  put_control(Opcode::close, normal);
}

bool BenchConnection::expire(BenchShared& shared) {
  if (std::exchange(heard_, false) && stage_ > Stage::open) return false;
  if (stage_ < Stage::open) {
    fail(shared, ErrorKind::timeout, "no answer to the handshake in time");
  } else if (stage_ == Stage::finishing) {
    stage_ = Stage::ended;  // both Closes were sent; that it leaves the FIN to us is no error
  } else {
    fail(shared, ErrorKind::no_close, "the Close was not answered in time");
  }
  return true;
}

void BenchConnection::connect_done(BenchShared& shared) {
  connect_error_ = connect_outcome(link_.fd());
  stage_ = connect_error_ == 0 ? Stage::securing : Stage::ended;
  const Run& run = shared.run;
  if (stage_ == Stage::ended || run.tls == nullptr) return;
  if (!run.options.tls_resume) shared.session.keep(nullptr);
  link_.secure(run.tls->connect(link_.fd(), run.options.server.host, shared.session));
}

void BenchConnection::secure(BenchShared& shared) {
  using Handshake = TlsTransport::Handshake;
  const Handshake outcome = link_.handshake();
  if (outcome == Handshake::waiting) return;
  if (outcome != Handshake::done) {
    return fail(shared, ErrorKind::handshake, "TLS: " + link_.failure(Io{}));
  }
  stage_ = Stage::opening;
  if (shared.run.tls == nullptr) return;
  shared.tally.secured.add(1);
  if (link_.resumed()) shared.tally.resumed.add(1);
}

void BenchConnection::send_request(BenchShared& shared) {
  if (opening_ == nullptr) opening_ = std::make_unique<Opening>(shared.run.options);
  const std::string& request = opening_->request;
  while (opening_->sent < request.size() && link_.writable()) {
    const Io io = link_.send(reinterpret_cast<const uint8_t*>(request.data()) + opening_->sent,
                             request.size() - opening_->sent);
    opening_->sent += io.bytes;
  }
}

void BenchConnection::receive(BenchShared& shared) {
  std::vector<uint8_t>& in = shared.in;
  const size_t kept = leftover_.size();
  std::copy(leftover_.begin(), leftover_.end(), in.begin());
  const Io io = link_.recv(in.data() + kept, in.size() - kept);
  if (io.state == Io::State::blocked) return;
  if (io.state != Io::State::open) return on_end(shared, io);
  if (stage_ == Stage::finishing) return;  // nothing counts behind a Close
  heard_ = true;
  received_ns_ = sys::monotonic_ns();
  leftover_.clear();
  std::span<const uint8_t> bytes(in.data(), kept + io.bytes);
  if (stage_ == Stage::opening) bytes = bytes.subspan(take_answer(shared, bytes));
  if (stage_ == Stage::open || stage_ == Stage::closing) take_frames(shared, bytes);
}

// Returns how many bytes belonged to the handshake.
size_t BenchConnection::take_answer(BenchShared& shared, std::span<const uint8_t> bytes) {
  const Http1Parser::Fed fed =
      opening_->parser.feed_head({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (fed.outcome == Http1Parser::Outcome::more) return bytes.size();
  const std::string fault = fed.outcome == Http1Parser::Outcome::failed
                                ? opening_->parser.reason()
                                : opening_->find_fault(shared.run.options);
  opening_.reset();
  on_answer(shared, fault);
  return fault.empty() ? fed.consumed : bytes.size();
}

void BenchConnection::take_stream_answer(BenchShared& shared) {
  const Http2Fields* answer = link_.stream()->head();
  if (answer == nullptr) return;
  received_ns_ = sys::monotonic_ns();
  on_answer(shared, find_stream_fault(*answer, shared.run.options));
  link_.stream()->drop_head();
}

void BenchConnection::on_answer(BenchShared& shared, const std::string& fault) {
  if (!fault.empty()) return fail(shared, ErrorKind::handshake, fault);
  stage_ = Stage::open;
  shared.tally.opening.add(received_ns_ - std::min(started_ns_, received_ns_));
}

void BenchConnection::take_frames(BenchShared& shared, std::span<const uint8_t> bytes) {
  while (stage_ == Stage::open || stage_ == Stage::closing) {
    const FrameStep step = walker_.next(bytes);
    bytes = bytes.subspan(step.consumed);
    switch (step.kind) {
      case FrameStep::Kind::more:
        leftover_.assign(bytes.begin(), bytes.end());
        return;
      case FrameStep::Kind::header:
      case FrameStep::Kind::payload:
        take_data(shared, step);
        break;
      case FrameStep::Kind::control:
        take_control(shared, step);
        break;
      case FrameStep::Kind::bad:
        return fail(shared, ErrorKind::protocol, walker_.reason());
    }
  }
}

void BenchConnection::take_data(BenchShared& shared, const FrameStep& step) {
  const BenchOptions& options = shared.run.options;
  const bool echo = options.compares();
  if (step.kind == FrameStep::Kind::header) {
    if (step.opcode != Opcode::continuation) {
      reply_offset_ = 0;
      mismatched_ = echo && step.opcode != (options.text ? Opcode::text : Opcode::binary);
      stray_ = options.sends() && (!options.awaits() || replies_ >= begun(shared));
      if (echo && stray_) {
        return fail(shared, ErrorKind::protocol, "a message that answers nothing");
      }
    }
  } else {
    if (echo) compare(shared, step.bytes);
    reply_offset_ += step.bytes.size();
    const bool counts = shared.counting && !stray_ && replies_ < quota_;
    if (counts) shared.tally.payload_bytes.add(step.bytes.size());
  }
  if (walker_.at_message_end()) end_message(shared);
}

void BenchConnection::compare(BenchShared& shared, std::span<const uint8_t> bytes) {
  const Message expected = shared.run.messages.message(number_, replies_);
  const uint64_t whole = expected.payload_bytes();
  uint64_t offset = reply_offset_;
  while (!bytes.empty() && !mismatched_) {
    if (offset >= whole) {
      mismatched_ = true;
      return;
    }
    const std::span<const uint8_t> piece = expected.piece(offset);
    const size_t size = std::min(piece.size(), bytes.size());
    mismatched_ = std::memcmp(piece.data(), bytes.data(), size) != 0;
    bytes = bytes.subspan(size);
    offset += size;
  }
}

void BenchConnection::end_message(BenchShared& shared) {
  const BenchOptions& options = shared.run.options;
  if (stray_) return;
  const uint64_t number = replies_++;
  const bool counted = shared.counting && number < quota_;
  if (options.awaits()) {
    const bool whole = reply_offset_ == shared.run.messages.payload_bytes(number);
    if (options.compares() && (mismatched_ || !whole)) {
      shared.tally.error(ErrorKind::mismatch, "message " + std::to_string(number) +
                                                  " of connection " + std::to_string(number_) +
                                                  " came back changed");
    }
    uint64_t since_ns = schedule_.at(number);
    if (schedule_.interval_ns == 0) {
      uint64_t& slot = allowed_ns_[number % options.pipeline];
      since_ns = std::exchange(slot, received_ns_);  // the slot is the next message's now
    }
    if (counted) shared.tally.latency.add(received_ns_ - std::min(since_ns, received_ns_));
  }
  if (counted) {
    shared.tally.messages.add(1);
    shared.tally.last_message_ns = received_ns_;
  }
  if (replies_ == quota_ && options.mode != Mode::idle) finish();
}

void BenchConnection::take_control(BenchShared& shared, const FrameStep& step) {
  if (step.opcode == Opcode::close) return take_close(shared, step.bytes);
  const bool answer = step.opcode == Opcode::ping && stage_ == Stage::open;
  if (answer && control_.size() < most_control_bytes) put_control(Opcode::pong, step.bytes);
}

void BenchConnection::take_close(BenchShared& shared, std::span<const uint8_t> payload) {
  if (stage_ == Stage::open) {
    const int code = payload.size() >= 2 ? payload[0] << 8 | payload[1] : 1005;
    put_control(Opcode::close, payload);
    if (can_send(shared)) transmit(shared);
    if (stage_ == Stage::ended) return;
    return fail(shared, ErrorKind::closed, "the server closed with " + std::to_string(code));
  }
  if (shared.run.options.awaits() && replies_ < begun(shared)) {
    shared.tally.error(ErrorKind::unanswered,
                       std::to_string(begun(shared) - replies_) + " messages were not answered");
  }
  stage_ = Stage::finishing;
}

void BenchConnection::put_control(Opcode opcode, std::span<const uint8_t> payload) {
  uint8_t key[4];
  sys::random_bytes(key, sizeof key);
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes = encode_control_frame(opcode, payload, key, frame);
  control_.insert(control_.end(), frame, frame + bytes);
}

// One send: control frames where they may stand, else messages.
void BenchConnection::transmit(BenchShared& shared) {
  const bool control = control_next(shared);
  std::span<const uint8_t> bytes(control_);
  if (control) {
    bytes = bytes.subspan(control_sent_);
  } else {
    shared.out.clear();
    const uint64_t left = stream_end(shared) - position_;
    const uint64_t end = position_ + std::min<uint64_t>(left, link_.room());
    shared.writer.write(number_, position_, end, shared.out);
    bytes = shared.out.behind(0);
  }
  const Io io = link_.send(bytes.data(), bytes.size());  // where it fails, receive() tells why
  if (!control) {
    const uint64_t from = position_;
    position_ += io.bytes;
    if (!shared.run.options.awaits()) count_sent(shared, from);
    return;
  }
  control_sent_ += io.bytes;
  if (control_sent_ < control_.size()) return;
  control_.clear();
  control_sent_ = 0;
}

// Where nothing is awaited, a message is through once the kernel took it.
void BenchConnection::count_sent(BenchShared& shared, uint64_t from) {
  const uint64_t end = shared.writer.number_at(position_);
  for (uint64_t number = shared.writer.number_at(from); number < end; ++number) {
    if (!shared.counting || number >= quota_) continue;
    shared.tally.messages.add(1);
    shared.tally.payload_bytes.add(shared.run.messages.payload_bytes(number));
    shared.tally.last_message_ns = sys::monotonic_ns();
  }
  if (end >= quota_ && shared.run.options.mode != Mode::idle) finish();
}

void BenchConnection::on_end(BenchShared& shared, const Io& io) {
  const std::string why = io.state == Io::State::failed ? link_.failure(io) : "FIN";
  if (stage_ == Stage::finishing) {
    stage_ = Stage::ended;
  } else if (stage_ == Stage::opening) {
    fail(shared, ErrorKind::handshake, "the connection ended before the answer: " + why);
  } else {
    fail(shared, ErrorKind::lost, "the connection ended without a Close: " + why);
  }
}

void BenchConnection::fail(BenchShared& shared, ErrorKind kind, const std::string& text) {
  shared.tally.error(kind, text);
  stage_ = Stage::ended;
}

// Between two messages, or with a control frame sent in part.
bool BenchConnection::control_next(const BenchShared& shared) const {
  if (control_.empty()) return false;
  return control_sent_ > 0 || shared.writer.at_boundary(position_);
}

// Messages of which at least a byte was sent.
uint64_t BenchConnection::begun(const BenchShared& shared) const {
  const uint64_t number = shared.writer.number_at(position_);
  return shared.writer.begin_of(number) < position_ ? number + 1 : number;
}

// How far the stream may be sent: always a frame boundary.
uint64_t BenchConnection::stream_end(const BenchShared& shared) const {
  const MessageWriter& writer = shared.writer;
  if (!control_.empty() || stage_ != Stage::open) return writer.begin_of(begun(shared));
  if (!sending_) return 0;
  const BenchOptions& options = shared.run.options;
  const uint64_t through = options.awaits() ? replies_ : writer.number_at(position_);
  uint64_t messages = std::min(quota_, through + options.pipeline);
  if (schedule_.interval_ns > 0) messages = std::min(messages, due_);
  return writer.begin_of(messages);
}

bool BenchConnection::can_send(const BenchShared& shared) const {
  if (!link_.writable() || stage_ < Stage::open) return false;
  return control_next(shared) || position_ < stream_end(shared);
}

}  // namespace sluice::load
