// Peer: a script, reactions between its frames, and a reader with a pace.
#include "tests/sim/peer.h"

#include <algorithm>
#include <charconv>

#include "core/session/proxy_header.h"
#include "protocol/proxy_protocol.h"
#include "tests/sim/traffic.h"

namespace sluice::sim {

namespace {

constexpr uint64_t leave_delay_ns = 100 * us;
constexpr int most_wrong_pongs = 20;

}  // namespace

Peer::Peer(Wire& wire, const PeerPlan& plan, bool masks, uint64_t random_seed)
    : wire_(wire), plan_(plan), masks_(masks), random_(random_seed) {
  wire_.attach(*this);
  judge_.rules.masked = !masks;
  judge_.rules.deflate = true;  // whether it was agreed is the lane's to judge
}

void Peer::give_up() {
  if (!wire_.gone()) wire_.reset();
}

// --- reading
// --------------------------------------------------------------------------------------

void Peer::on_bytes() {
  if (plan_.reader.pace == Reader::Pace::slow) return pace_reading();
  read_some();
}

void Peer::pace_reading() {
  if (read_scheduled_) return;
  read_scheduled_ = true;
  world().after(plan_.reader.every_ns, [this] {
    read_scheduled_ = false;
    read_some();
    if (wire_.unread() > 0) pace_reading();
  });
}

void Peer::read_some() {
  if (frozen_ || wire_.gone()) return;
  size_t most = wire_.unread();
  if (plan_.reader.pace == Reader::Pace::slow) most = std::min(most, plan_.reader.bytes);
  if (plan_.reader.pace == Reader::Pace::stuck) {
    const uint64_t left =
        plan_.reader.stuck_after - std::min<uint64_t>(received_.size(), plan_.reader.stuck_after);
    most = std::min<size_t>(most, left);
  }
  if (plan_.reader.pace == Reader::Pace::dozing && !rested_) {
    most =
        std::min<size_t>(most, plan_.reader.stuck_after -
                                   std::min<uint64_t>(received_.size(), plan_.reader.stuck_after));
    if (most == 0) return doze();
  }
  if (most == 0) return maybe_leave();
  received_ += wire_.read(most);
  if (!speaking_) take_opening();
  if (speaking_) take_frames();
  maybe_leave();
}

void Peer::doze() {
  if (dozing_) return;
  dozing_ = true;
  world().note("peer #%lld: dozes", wire_.number());
  world().after(plan_.reader.nap_ns, [this] {
    rested_ = true;
    read_some();
  });
}

void Peer::take_frames() {
  const std::string_view stream = std::string_view(received_).substr(frames_begin_);
  judge_.look(stream, 0);
  if (judge_.verdict() == FrameJudge::Verdict::bad) {
    world().fail(std::string("peer #") + std::to_string(wire_.number()) +
                 " got an illegal frame: " + judge_.reason());
  }
  if (judge_.changed_at() != 0) {
    world().fail("peer #" + std::to_string(wire_.number()) + " got a Close with a broken reason");
  }
  if (got_close_ && stream.size() > judge_.accepted()) {
    world().fail("peer #" + std::to_string(wire_.number()) + " got bytes behind a Close");
  }
  const auto& frames = judge_.frames();
  for (; frames_seen_ < frames.size(); ++frames_seen_) {
    const FrameJudge::Frame& frame = frames[frames_seen_];
    if (frame.opcode() == 9 && !sent_close_ && !got_close_) {
      answer_ping(payload_of(stream, frame));
    }
  }
  if (!got_close_ && judge_.verdict() == FrameJudge::Verdict::closed) take_close();
}

void Peer::answer_ping(std::string payload) {
  if (plan_.pongs == Pongs::never) return;
  if (plan_.pongs == Pongs::wrong) {
    // They pass for traffic, so that the session would never be silent.
    if (++wrong_pongs_ > most_wrong_pongs) return;
    if (!payload.empty()) payload.back() = static_cast<char>(~payload.back());
  }
  const auto answer = [this, payload] {
    reactions_.push_back(frame_bytes(random_, 0x8a, payload, masks_));
    schedule_step(0);
  };
  if (plan_.pongs != Pongs::late) return answer();
  world().after(plan_.pong_delay_ns, answer);
}

void Peer::take_close() {
  got_close_ = true;
  close_code_ = judge_.close_code();
  world().note("peer #%lld: got Close %lld", wire_.number(), close_code_);
  if (sent_close_ || !plan_.answers_close) return;
  world().after(plan_.answer_delay_ns, [this] {
    answer_close_ = true;
    schedule_step(0);
  });
}

void Peer::on_fin() {
  got_fin_ = true;
  maybe_leave();
}

void Peer::on_reset() {
  got_reset_ = true;
}

// A server ends the stream once both Closes are through (RFC 6455 7.1.1); a client waits for that.
void Peer::maybe_leave() {
  const bool agreed = !masks_ && sent_close_ && got_close_;
  if (!plan_.closes_stream || frozen_ || !(agreed || got_fin_)) return;
  if (!agreed && has_more_to_say()) return;
  if (wire_.unread() > 0 || wire_.gone()) return;
  world().after(leave_delay_ns, [this] {
    if (wire_.unread() == 0) wire_.close_both();
  });
}

// After a FIN alone the other peer may still listen.
bool Peer::has_more_to_say() const {
  if (!plan_.speaks_on || stage_ != Stage::frames || cut_done_ || sent_close_) return false;
  return !at_boundary_ || next_ < plan_.pieces.size() || answer_close_ || plan_.sends_close;
}

// --- writing
// --------------------------------------------------------------------------------------

void Peer::begin_opening() {
  stage_ = Stage::opening;
  next_ = 0;
  if (plan_.opening.empty()) return;
  schedule_step(plan_.opening[0].delay_ns);
}

void Peer::begin_speaking(size_t frames_begin) {
  speaking_ = true;
  frames_begin_ = frames_begin;
  if (stage_ == Stage::waiting) {
    stage_ = Stage::frames;
    schedule_step(0);
  }
}

void Peer::adopt(std::string received, size_t frames_begin) {
  received_ = std::move(received);
  begin_speaking(frames_begin);
  take_frames();
}

void Peer::schedule_step(uint64_t delay_ns) {
  if (step_scheduled_) return;
  step_scheduled_ = true;
  world().after(delay_ns, [this] {
    step_scheduled_ = false;
    step();
  });
}

// Writes until a pause or the end.
void Peer::step() {
  while (!cut_done_ && !wire_.gone() && !step_scheduled_) {
    if (plan_.cut != Cut::none && written_ >= plan_.cut_at) return do_cut();
    if (!write_next()) break;
  }
  if (got_fin_) maybe_leave();
}

// One piece, reaction or Close; false where there is nothing to write for now.
bool Peer::write_next() {
  if (stage_ == Stage::opening) {
    if (next_ < plan_.opening.size()) {
      write(plan_.opening[next_++].bytes);
      if (next_ < plan_.opening.size() && plan_.opening[next_].delay_ns > 0) {
        schedule_step(plan_.opening[next_].delay_ns);
      }
      return true;
    }
    next_ = 0;
    if (plan_.ends_after_opening) {
      stage_ = Stage::ended;
      wire_.finish();
      return false;
    }
    // Upstreams speak right behind their answer, clients (but for early frames) await it.
    stage_ = !masks_ || speaking_ ? Stage::frames : Stage::early;
  }
  if (stage_ == Stage::early && speaking_) stage_ = Stage::frames;
  if (stage_ == Stage::early && next_ >= std::min(plan_.early_pieces, plan_.pieces.size())) {
    if (at_boundary_ || next_ >= plan_.pieces.size()) {
      stage_ = Stage::waiting;
      return false;
    }
  }
  if (stage_ != Stage::early && stage_ != Stage::frames) return false;
  if (at_boundary_ && !sent_close_ && !reactions_.empty()) {
    write(reactions_.front());
    reactions_.pop_front();
    return true;
  }
  const bool script_over = next_ >= plan_.pieces.size();
  if (at_boundary_ && (answer_close_ || (script_over && plan_.sends_close))) {
    if (sent_close_ || stage_ == Stage::early) return false;
    sent_close_ = true;
    const uint16_t code = answer_close_ ? close_code_ : plan_.close_code;
    const std::string_view reason = plan_.close_reason;
    write(close_frame(random_, code, answer_close_ ? "" : reason, masks_));
    maybe_leave();
    return true;
  }
  if (script_over || sent_close_) return false;
  const Piece& piece = plan_.pieces[next_++];
  at_boundary_ = piece.ends_frame;
  write(piece.bytes);
  if (piece.urgent) wire_.mark_urgent();
  if (next_ < plan_.pieces.size() && plan_.pieces[next_].delay_ns > 0) {
    schedule_step(plan_.pieces[next_].delay_ns);
  }
  return true;
}

void Peer::write(std::string_view bytes) {
  if (plan_.cut != Cut::none) {
    bytes = bytes.substr(
        0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), plan_.cut_at - written_)));
  }
  written_ += bytes.size();
  wire_.write(bytes);
}

void Peer::do_cut() {
  cut_done_ = true;
  world().note("peer #%lld: cut %lld at %lld", wire_.number(), static_cast<int>(plan_.cut),
               static_cast<int64_t>(written_));
  switch (plan_.cut) {
    case Cut::none:
    case Cut::silence:
      return;
    case Cut::fin:
      return wire_.close_both();
    case Cut::half_close:
      return wire_.finish();
    case Cut::reset:
      return wire_.reset();
    case Cut::freeze:
      frozen_ = true;
      return;
  }
}

// --- the two roles
// --------------------------------------------------------------------------------

void ClientPeer::take_opening() {
  const size_t end = received().find("\r\n\r\n");
  if (end == std::string::npos) return;
  if (status_ == 0 && received().size() > 12) {
    std::from_chars(received().data() + 9, received().data() + 12, status_);
  }
  if (status_ == 101) begin_speaking(end + 4);
}

void Doorman::on_bytes() {
  if (skipped_ > 0) skipped_ -= wire_.read(std::min(skipped_, wire_.unread())).size();
  received_ += wire_.read(wire_.unread());
  if (awaits_header_ && !take_header()) return;
  if (found_ || received_.find("\r\n\r\n") == std::string::npos) return;
  found_ = true;
  on_head_(*this);
}

// Whether it was whole.
bool Doorman::take_header() {
  const ProxyParse parsed =
      parse_proxy_header({reinterpret_cast<const uint8_t*>(received_.data()), received_.size()});
  if (parsed.outcome == ProxyParse::Outcome::bad) {
    world().fail(std::string("an upstream got ") + parsed.reason);
  }
  if (parsed.outcome != ProxyParse::Outcome::header) return false;
  awaits_header_ = false;
  header_bytes_ = parsed.header.bytes;
  received_.erase(0, parsed.header.bytes);
  const ClientAddress named = client_of(parsed.header, ClientAddress());
  if (named.has_ip()) named_ = named.host_text();
  return true;
}

}  // namespace sluice::sim
