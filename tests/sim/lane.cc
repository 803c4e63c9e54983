// Lane: bytes are compared as they are sent, so that a trace ends where the mistake is.
#include "tests/sim/lane.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace sluice::sim {

void Lane::sent(std::string_view bytes, uint64_t act) {
  const size_t begin = out_.size();
  out_ += bytes;
  if (!own_close()) {
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
    // The rest must be a Close of the proxy's own, which begins at the last boundary.
    own_begin_ = judge.boundary_before(matched_);
    own_close_act_ = act;
  }
  check_own_close();
}

// What there is of it so far.
void Lane::check_own_close() const {
  const std::string_view own = std::string_view(out_).substr(own_begin_);
  const char length_byte = masked ? '\x82' : '\x02';
  const bool begins = own[0] == '\x88' && (own.size() < 2 || own[1] == length_byte);
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
