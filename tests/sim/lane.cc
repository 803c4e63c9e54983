// Lane: bytes are compared as they are sent, so that a trace ends where the mistake is.
#include "tests/sim/lane.h"

#include <algorithm>
#include <utility>

#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

// Of a control frame, at most 127.
size_t payload_bytes(std::string_view frame) {
  return static_cast<uint8_t>(frame[1]) & 0x7f;
}

}  // namespace

void Lane::look(uint64_t now_ms) {
  for (;;) {
    judge.look(in_, now_ms);
    const uint64_t foreign = judge.take_foreign();
    if (foreign == 0) return;
    in_.erase(static_cast<size_t>(judge.accepted()), static_cast<size_t>(foreign));
  }
}

void Lane::sent(std::string_view bytes, uint64_t act) {
  raw_out_ += bytes;
  size_t begin = out_.size();
  out_ += std::exchange(ping_part_, "");
  out_ += bytes;
  while (!own_close()) {
    const uint64_t most = std::min<uint64_t>(out_.size(), judge.accepted());
    const std::string_view a = std::string_view(out_).substr(begin, most - std::min(begin, most));
    std::string b = in_.substr(begin, a.size());
    const uint64_t changed = judge.changed_at();
    if (changed != 0 && changed >= begin && changed < most) {
      b[static_cast<size_t>(changed - begin)] = judge.changed_to();
    }
    matched_ = begin + static_cast<uint64_t>(
                           std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    if (matched_ == out_.size()) return;
    // The rest must be a frame of the proxy's own, which begins at the last boundary.
    own_begin_ = judge.boundary_before(matched_);
    if (static_cast<uint8_t>(out_[own_begin_]) != 0x89) {
      own_close_act_ = act;
    } else if (!take_out_ping()) {
      return;
    }
    begin = own_begin_;
  }
  check_own_close();
}

// False: it is not whole yet.
bool Lane::take_out_ping() {
  const size_t header_bytes = masked ? 6 : 2;
  const std::string_view own = std::string_view(out_).substr(own_begin_, header_bytes + 8);
  const auto wanted = static_cast<char>(masked ? 0x88 : 8);
  if (own_pings == nullptr || (own.size() > 1 && own[1] != wanted)) {
    fail("byte " + std::to_string(matched_) + " sent is not the byte received, nor a ping of ours");
  }
  if (!judge.between_messages(own_begin_)) fail("a ping of the proxy's own inside a message");
  if (own.size() < header_bytes + 8) {
    ping_part_ = own;
    out_.resize(own_begin_);
    return false;
  }
  const std::string payload =
      payload_of(own, FrameJudge::Frame{0, header_bytes, 8, static_cast<uint8_t>(own[0])});
  const uint32_t tag = number_at(payload, 0);
  if (own_pings->count > 0 && own_pings->tag != tag)
    fail("a ping of the proxy's own has a new tag");
  own_pings->tag = tag;
  own_pings->latest = number_at(payload, 4);
  ++own_pings->unanswered;
  ++own_pings->count;
  out_.erase(own_begin_, header_bytes + 8);
  return true;
}

uint64_t Lane::messages_out() {
  const auto& frames = judge.frames();
  for (; frames_counted_ < frames.size() && frames[frames_counted_].begin < out_.size();
       ++frames_counted_) {
    const unsigned opcode = frames[frames_counted_].opcode();
    if (opcode == 1 || opcode == 2) ++messages_out_;
  }
  return messages_out_;
}

// What there is of it so far.
void Lane::check_own_close() const {
  const std::string_view own = std::string_view(out_).substr(own_begin_);
  const bool begins =
      own[0] == '\x88' && (own.size() < 2 || (payload_bytes(own) >= 2 && (own[1] < 0) == masked));
  if (!begins) {
    fail("byte " + std::to_string(matched_) + " sent is not the byte received (" +
         std::to_string(in_.size()) + " received, " + std::to_string(judge.accepted()) +
         " acceptable), nor a Close at the boundary " + std::to_string(own_begin_));
  }
  if (own.size() > own_bytes()) fail("bytes behind a Close of the proxy's own");
  if (judge.verdict() == FrameJudge::Verdict::closed && own_begin_ >= judge.accepted()) {
    fail("a Close behind the source's own Close");
  }
}

// More than there are until it has told its length.
size_t Lane::own_bytes() const {
  const std::string_view own = std::string_view(out_).substr(own_begin_);
  return own.size() < 2 ? SIZE_MAX : (masked ? 6 : 2) + payload_bytes(own);
}

std::string Lane::own_reason() const {
  const std::string_view own = std::string_view(out_).substr(own_begin_);
  const size_t header_bytes = masked ? 6 : 2;
  return payload_of(own, FrameJudge::Frame{0, header_bytes, own.size() - header_bytes, 0x88})
      .substr(2);
}

uint16_t Lane::own_code() const {
  const std::string_view own = std::string_view(out_).substr(own_begin_);
  const size_t at = masked ? 6 : 2;
  if (own.size() < at + 2) return 0;
  auto high = static_cast<uint8_t>(own[at]);
  auto low = static_cast<uint8_t>(own[at + 1]);
  if (masked) {
    high = static_cast<uint8_t>(high ^ static_cast<uint8_t>(own[2]));
    low = static_cast<uint8_t>(low ^ static_cast<uint8_t>(own[3]));
  }
  return static_cast<uint16_t>(high << 8 | low);
}

bool Lane::cut_inside_frame() const {
  if (own_close()) return false;
  return judge.boundary_before(out_.size()) != out_.size();
}

void Lane::fail(const std::string& what) const {
  world().fail(std::string(masked ? "client to upstream: " : "upstream to client: ") + what);
}

}  // namespace sluice::sim
