// EchoConnection: bytes come into the thread's `in`, answers are built in its `out`, and what the
// client does not take at once is copied to `unsent_`, which stops reading.
#include "tests/load/echo_connection.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/load/common_masking.h"
#include "tests/load/echo_upgrade.h"

namespace sluice::load {

namespace {

constexpr int rounds_a_pump = 4;  // then others get their turn
constexpr size_t flood_send_bytes = 256 * 1024;

}  // namespace

FloodBlock::FloodBlock(uint64_t payload_bytes) : frame_bytes(0) {
  uint8_t header[max_frame_header_bytes];
  const size_t header_bytes = write_header(Opcode::binary, payload_bytes, false, header);
  frame_bytes = header_bytes + static_cast<size_t>(payload_bytes);
  const size_t frames = std::max<size_t>(1, flood_send_bytes / frame_bytes);
  bytes.resize(frames * frame_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i % 251);
  for (size_t i = 0; i < frames; ++i) {
    std::memcpy(bytes.data() + i * frame_bytes, header, header_bytes);
  }
}

EchoConnection::EchoConnection(int fd) : link_(fd) {}

EchoConnection::EchoConnection(std::unique_ptr<Http2Stream> stream) : link_(-1) {
  link_.carry(std::move(stream));
}

EchoConnection::Next EchoConnection::pump(EchoShared& shared) {
  if (stage_ == Stage::securing) secure(shared);
  if (stage_ == Stage::securing) return Next::wait;
  if (stage_ == Stage::http2) return Next::http2;
  if (stage_ == Stage::opening && link_.stream() != nullptr) answer_request(shared);
  for (int round = 0; round < rounds_a_pump; ++round) {
    flush(shared);
    if (stage_ == Stage::gone) return Next::gone;
    if (!unsent_.empty() || answer_ != nullptr)
      return Next::wait;  // back-pressure: the client reads first
    if (floods(shared) && link_.writable()) send_flood(shared, flood_send_bytes);
    if (link_.readable() && stage_ != Stage::gone) receive(shared);
    if (stage_ == Stage::gone) return Next::gone;
    if (stage_ == Stage::http2) return Next::http2;
    const bool more = link_.readable() || (floods(shared) && link_.writable());
    if (!more && unsent_.empty()) return Next::wait;
  }
  return Next::run_again;
}

void EchoConnection::secure(EchoShared& shared) {
  using Handshake = TlsTransport::Handshake;
  const Handshake outcome = link_.handshake();
  if (outcome == Handshake::waiting) return;
  stage_ = outcome == Handshake::done ? Stage::opening : Stage::gone;
  if (link_.protocol() == "h2") stage_ = Stage::http2;
  if (outcome == Handshake::done) return;
  shared.counters.refusals.add(1);
  if (shared.options.quiet) return;
  const std::string why =
      outcome == Handshake::plain_http ? "HTTP without TLS" : link_.failure(Io{});
  std::fprintf(stderr, "sluice-echo: no TLS: %s\n", why.c_str());
}

void EchoConnection::receive(EchoShared& shared) {
  std::vector<uint8_t>& in = shared.in;
  const size_t kept = leftover_.size();
  std::copy(leftover_.begin(), leftover_.end(), in.begin());
  const Io io = link_.recv(in.data() + kept, in.size() - kept);
  if (io.state == Io::State::blocked) return;
  if (io.state != Io::State::open) {
    stage_ = Stage::gone;
    return;
  }
  if (stage_ == Stage::lingering) return;  // what still comes is dropped
  leftover_.clear();
  std::span<const uint8_t> bytes(in.data(), kept + io.bytes);
  if (stage_ == Stage::opening && asks_for_http2(shared, bytes)) return;
  shared.out.clear();
  const EchoOptions& options = shared.options;
  const uint64_t delay_ms =
      stage_ == Stage::opening ? options.handshake_delay_ms : options.delay_ms;
  if (stage_ == Stage::opening) bytes = bytes.subspan(take_opening(shared, bytes));
  if (stage_ == Stage::open || stage_ == Stage::closing) take_frames(shared, bytes);
  deliver(shared, delay_ms);
}

// By its preface. What may yet become one is kept.
bool EchoConnection::asks_for_http2(const EchoShared& shared, std::span<const uint8_t> bytes) {
  if (!shared.options.http2 || parser_ != nullptr || link_.is_secure()) return false;
  const size_t size = std::min(bytes.size(), http2_preface.size());
  if (std::memcmp(bytes.data(), http2_preface.data(), size) != 0) return false;
  leftover_.assign(bytes.begin(), bytes.end());
  if (size == http2_preface.size()) stage_ = Stage::http2;
  return true;
}

// Returns how many bytes belonged to the handshake.
size_t EchoConnection::take_opening(EchoShared& shared, std::span<const uint8_t> bytes) {
  if (parser_ == nullptr) {
    parser_ = std::make_unique<Http1Parser>(Http1Parser::Role::request, Http1Parser::Limits());
  }
  const Http1Parser::Fed fed =
      parser_->feed_head({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (fed.outcome == Http1Parser::Outcome::more) return bytes.size();
  const UpgradeDecision decision = fed.outcome == Http1Parser::Outcome::complete
                                       ? answer_upgrade(parser_->request(), shared.options)
                                       : refuse_upgrade(parser_->reason());
  shared.out.put(
      {reinterpret_cast<const uint8_t*>(decision.answer.data()), decision.answer.size()});
  if (!decision.upgraded) {
    note_refusal(shared, decision.reason);
    close_received_ = true;  // no Close is to come: linger once the answer is sent
    stage_ = Stage::closing;
    parser_.reset();
    return bytes.size();
  }
  if (shared.options.send_head) send_text(shared, head_text(parser_->request()));
  parser_.reset();
  stage_ = Stage::open;
  return fed.consumed;
}

// The same for a stream, whose request came whole.
void EchoConnection::answer_request(EchoShared& shared) {
  shared.out.clear();
  Http2Stream& stream = *link_.stream();
  const RequestHead head = request_of(*stream.head());
  StreamDecision decision = answer_stream(head, shared.options);
  answer_ = std::make_unique<Http2Fields>(std::move(decision.fields));
  shared.out.put({reinterpret_cast<const uint8_t*>(decision.body.data()), decision.body.size()});
  if (decision.upgraded) {
    if (shared.options.send_head) send_text(shared, head_text(head));
    stage_ = Stage::open;
  } else {
    note_refusal(shared, decision.reason);
    close_received_ = true;
    stage_ = Stage::closing;
  }
  stream.drop_head();
  deliver(shared, shared.options.handshake_delay_ms);
}

void EchoConnection::note_refusal(EchoShared& shared, const char* reason) {
  if (*reason == '\0') return;  // it got the page
  shared.counters.refusals.add(1);
  if (!shared.options.quiet) std::fprintf(stderr, "sluice-echo: refused: %s\n", reason);
}

void EchoConnection::send_answer() {
  if (answer_ == nullptr) return;
  link_.stream()->answer(*answer_);
  answer_.reset();
}

void EchoConnection::send_text(EchoShared& shared, const std::string& text) {
  uint8_t header[max_frame_header_bytes];
  shared.out.put({header, write_header(Opcode::text, text.size(), false, header)});
  shared.out.put({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

void EchoConnection::take_frames(EchoShared& shared, std::span<const uint8_t> bytes) {
  while (!close_received_) {
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
        shared.counters.faults.add(1);
        if (!shared.options.quiet) {
          std::fprintf(stderr, "sluice-echo: a client sent %s\n", walker_.reason());
        }
        const uint8_t code[2] = {1002 >> 8, 1002 & 0xff};
        send_close(shared, code);
        close_received_ = true;  // none that could be read will come
        return;
    }
  }
}

void EchoConnection::take_data(EchoShared& shared, const FrameStep& step) {
  if (stage_ != Stage::open) return;  // after our Close nothing is answered
  const bool echo = shared.options.mode == EchoOptions::Mode::echo;
  if (step.kind == FrameStep::Kind::payload) {
    shared.counters.payload_bytes.add(step.bytes.size());
    if (echo) {
      mask_copy(shared.out.extend(step.bytes.size()), step.bytes.data(), step.bytes.size(),
                walker_.key(), step.offset);
    }
  } else if (echo) {
    // The same header without its mask bit and key: opcode, fin and the form of the length stay.
    const std::span<const uint8_t> header = step.bytes.first(step.bytes.size() - 4);
    uint8_t* plain = shared.out.extend(header.size());
    std::copy(header.begin(), header.end(), plain);
    plain[1] &= 0x7f;
  }
  if (!walker_.at_message_end()) return;
  if (shared.options.mode != EchoOptions::Mode::flood) shared.counters.messages.add(1);
  if (shared.options.once_close_code != 0) {
    const uint16_t number = shared.options.once_close_code;
    const uint8_t code[2] = {static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    send_close(shared, code);
  }
}

void EchoConnection::take_control(EchoShared& shared, const FrameStep& step) {
  if (step.opcode == Opcode::close) {
    send_close(shared, step.bytes);
    close_received_ = true;
    return;
  }
  if (step.opcode != Opcode::ping || stage_ != Stage::open) return;
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes = encode_control_frame(Opcode::pong, step.bytes, nullptr, frame);
  shared.out.put({frame, bytes});
}

// Does nothing after the first: one Close a side.
void EchoConnection::send_close(EchoShared& shared, std::span<const uint8_t> payload) {
  if (stage_ != Stage::open) return;
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes = encode_control_frame(Opcode::close, payload, nullptr, frame);
  shared.out.put({frame, bytes});
  stage_ = Stage::closing;
}

void EchoConnection::deliver(EchoShared& shared, uint64_t delay_ms) {
  const Output& out = shared.out;
  size_t sent = 0;
  if (out.size() > 0 || answer_ != nullptr) held_ms_ = delay_ms;
  if (held_ms_ == 0) send_answer();
  if (out.size() > 0 && held_ms_ == 0 && !amid_flood_frame(shared) && link_.writable()) {
    const Io io = link_.send(out.data(), out.size());
    if (io.state == Io::State::failed) {
      stage_ = Stage::gone;
      return;
    }
    sent = io.bytes;
  }
  if (sent < out.size()) {
    const std::span<const uint8_t> rest = out.behind(sent);
    unsent_.assign(rest.begin(), rest.end());
    unsent_begin_ = 0;
  }
  flush(shared);
}

// Sends what is unsent, and ends our half once the Closes were exchanged.
void EchoConnection::flush(EchoShared& shared) {
  if (held_ms_ > 0) return;
  send_answer();
  while (!unsent_.empty() && link_.writable()) {
    if (amid_flood_frame(shared)) {
      send_flood(shared, shared.flood.frame_bytes - flood_offset_ % shared.flood.frame_bytes);
      if (stage_ == Stage::gone) return;
      continue;
    }
    const Io io = link_.send(unsent_.data() + unsent_begin_, unsent_.size() - unsent_begin_);
    if (io.state == Io::State::failed) {
      stage_ = Stage::gone;
      return;
    }
    unsent_begin_ += io.bytes;
    if (unsent_begin_ == unsent_.size()) std::vector<uint8_t>().swap(unsent_);
  }
  if (stage_ == Stage::closing && close_received_ && unsent_.empty()) {
    link_.shutdown_write();
    stage_ = Stage::lingering;
  }
}

void EchoConnection::send_flood(EchoShared& shared, size_t most) {
  const FloodBlock& flood = shared.flood;
  const size_t room = std::min(flood.bytes.size() - flood_offset_, flood_send_bytes);
  const Io io = link_.send(flood.bytes.data() + flood_offset_, std::min(room, most));
  if (io.state == Io::State::failed) {
    stage_ = Stage::gone;
    return;
  }
  const size_t end = flood_offset_ + io.bytes;
  shared.counters.messages.add(end / flood.frame_bytes - flood_offset_ / flood.frame_bytes);
  flood_offset_ = end == flood.bytes.size() ? 0 : end;
}

bool EchoConnection::floods(const EchoShared& shared) const {
  return shared.options.mode == EchoOptions::Mode::flood && stage_ == Stage::open;
}

bool EchoConnection::amid_flood_frame(const EchoShared& shared) const {
  return flood_offset_ % shared.flood.frame_bytes != 0;
}

}  // namespace sluice::load
