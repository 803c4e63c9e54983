// Both ends of plain requests: scripts that wait for each other where their plans say so.
#include "tests/sim/http_peer.h"

#include <algorithm>

#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr uint64_t leave_delay_ns = 100 * us;
// A client does not wait for a 100 without end (RFC 9110 10.1.1).
constexpr uint64_t continue_within_ns = 50 * ms;

// What of a piece goes out before the cut.
std::string_view until_cut(std::string_view bytes, Cut cut, uint64_t cut_at, uint64_t written) {
  if (cut == Cut::none) return bytes;
  return bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), cut_at - written)));
}

}  // namespace

// --- the client
// -----------------------------------------------------------------------------------

Visitor::Visitor(Wire& wire, const VisitPlan& plan, std::string name,
                 std::function<void()> begin_upgrade)
    : Wire(wire.connection()),
      wire_(wire),
      plan_(plan),
      begin_upgrade_(std::move(begin_upgrade)),
      answers_(plan, std::move(name)) {
  wire_.attach(*this);
}

std::string Visitor::read(size_t bytes) {
  if (!over_) return {};
  if (behind_.empty()) return wire_.read(bytes);
  std::string taken = behind_.substr(0, bytes);
  behind_.erase(0, taken.size());
  return taken;
}

void Visitor::on_bytes() {
  if (over_ && upgraded_) return user_->on_bytes();
  if (plan_.reader.pace != Reader::Pace::slow) return read_some();
  if (reading_) return;
  reading_ = true;
  world().after(plan_.reader.every_ns, [this] {
    reading_ = false;
    read_some();
    if (!over_ && readable() > 0) on_bytes();
  });
}

size_t Visitor::readable() const {
  const size_t unread = frozen_ || gone() ? 0 : wire_.unread();
  if (plan_.reader.pace == Reader::Pace::slow) return std::min(unread, plan_.reader.bytes);
  if (plan_.reader.pace != Reader::Pace::stuck) return unread;
  const uint64_t taken = std::min(answers_.bytes(), plan_.reader.stuck_after);
  return static_cast<size_t>(std::min<uint64_t>(unread, plan_.reader.stuck_after - taken));
}

void Visitor::read_some() {
  if (over_) return;
  if (const size_t bytes = readable(); bytes > 0) {
    const std::string got = wire_.read(bytes);
    behind_ += answers_.feed(got);
  }
  over_ = plan_.then == VisitPlan::Then::upgrade && answers_.all_answered() && !answers_.closes();
  if (over_ && upgraded_ && unread() > 0) return user_->on_bytes();
  step();
}

void Visitor::on_fin() {
  if (upgraded_) return user_->on_fin();
  world().after(leave_delay_ns, [this] {
    if (!frozen_ && !gone() && wire_.unread() == 0) wire_.close_both();
  });
}

void Visitor::on_reset() {
  if (upgraded_) user_->on_reset();
}

void Visitor::schedule(uint64_t delay_ns) {
  scheduled_ = true;
  world().after(delay_ns, [this] {
    scheduled_ = false;
    step();
  });
}

void Visitor::step() {
  while (!ended_ && !scheduled_ && !gone()) {
    if (plan_.cut != Cut::none && written_ >= plan_.cut_at) return cut();
    if (request_ == plan_.requests.size()) return end_plain();
    if (!may_write()) return;
    write_piece();
  }
}

bool Visitor::may_write() {
  const PlainRequest& request = plan_.requests[request_];
  if (piece_ == 0 && answers_.over()) return false;
  if (piece_ == 0 && request.awaits_answer && answers_.answered() < request_) return false;
  const bool at_body = request.awaits_continue && piece_ == request.head_pieces;
  if (!at_body || waited_ || answers_.answered() > request_) return true;
  if (answers_.answered() == request_ && (answers_.continued() || answers_.in_body())) return true;
  world().after(continue_within_ns, [this, waiting = request_] {
    if (request_ != waiting || waited_) return;
    waited_ = true;
    step();
  });
  return false;
}

void Visitor::write_piece() {
  const std::vector<Piece>& pieces = plan_.requests[request_].pieces;
  const std::string_view bytes = until_cut(pieces[piece_].bytes, plan_.cut, plan_.cut_at, written_);
  written_ += bytes.size();
  wire_.write(bytes);
  if (++piece_ < pieces.size()) {
    if (pieces[piece_].delay_ns > 0) schedule(pieces[piece_].delay_ns);
    return;
  }
  piece_ = 0;
  waited_ = false;
  ++request_;
}

void Visitor::end_plain() {
  using Then = VisitPlan::Then;
  switch (plan_.then) {
    case Then::upgrade:
      if (over_ || !plan_.upgrade_waits) begin_upgrade();
      return;
    case Then::finish:
      ended_ = true;
      return wire_.finish();
    case Then::leave:
    case Then::reset:
      if (answers_.all_answered()) leave(plan_.then == Then::reset ? Cut::reset : Cut::fin);
      return;
    case Then::stay:
      return;
  }
}

void Visitor::begin_upgrade() {
  ended_ = upgraded_ = true;
  begin_upgrade_();
  if (unread() > 0) user_->on_bytes();
}

void Visitor::cut() {
  ended_ = true;
  world().after(plan_.cut_delay_ns, [this] { leave(plan_.cut); });
}

void Visitor::leave(Cut how) {
  ended_ = true;
  if (gone()) return;
  world().note("visitor #%lld: cut %lld", number(), static_cast<int>(how));
  if (how == Cut::fin) wire_.close_both();
  if (how == Cut::half_close) wire_.finish();
  if (how == Cut::reset) reset();
  frozen_ = how == Cut::freeze;
}

// --- the upstream
// ---------------------------------------------------------------------------------

Origin::Origin(Wire& wire, const PlainRequest& request, std::string received)
    : wire_(wire), request_(request), plan_(request.answer) {
  wire_.attach(*this);
  const size_t end = received.find("\r\n\r\n") + 4;
  if (!head_.read(std::string_view(received).substr(0, end))) fail("got a head that is none");
  judge_head();
  take(std::string_view(received).substr(end));
  schedule(0);
}

void Origin::judge_head() {
  if (!request_.heads) fail("got what must reach nobody");
  if (head_.line != request_.head.substr(0, request_.head.find("\r\n"))) {
    fail("got another line: " + head_.line);
  }
  if (head_.value("x-request") != request_.id) fail("got another X-Request");
  for (const char* name : {"x-drop", "keep-alive", "te", "upgrade"}) {
    if (head_.count(name) > 0) fail(std::string("got the hop-by-hop field ") + name);
  }
  const size_t in_chunks = request_.framing == BodyFraming::chunked ? 1 : 0;
  const size_t by_length = request_.framing == BodyFraming::length ? 1 : 0;
  if (head_.count("transfer-encoding") != in_chunks || head_.count("content-length") != by_length) {
    fail("got another framing");
  }
  if (in_chunks != 0 && head_.value("transfer-encoding") != "chunked") fail("got another coding");
  if (by_length != 0 && head_.value("content-length") != std::to_string(request_.body.size())) {
    fail("got another Content-Length");
  }
}

void Origin::take(std::string_view bytes) {
  const std::string_view left = std::string_view(request_.body).substr(body_bytes_);
  if (bytes.size() > left.size()) fail("got bytes behind its request");
  if (!left.starts_with(bytes)) fail("got a body that was changed");
  body_bytes_ += bytes.size();
  if (body_bytes_ > request_.passes) fail("got more of a wrong body than may pass");
}

size_t Origin::readable() const {
  if (frozen_ || wire_.gone()) return 0;
  const uint64_t left = plan_.reads_bytes - std::min(plan_.reads_bytes, body_bytes_);
  return static_cast<size_t>(std::min<uint64_t>(wire_.unread(), left));
}

void Origin::on_bytes() {
  if (const size_t bytes = readable(); bytes > 0) take(wire_.read(bytes));
  step();
}

void Origin::on_fin() {
  world().after(leave_delay_ns, [this] {
    if (!frozen_ && !wire_.gone()) wire_.close_both();
  });
}

void Origin::schedule(uint64_t delay_ns) {
  scheduled_ = true;
  world().after(delay_ns, [this] {
    scheduled_ = false;
    step();
  });
}

void Origin::step() {
  while (!ended_ && !scheduled_ && !wire_.gone()) {
    if (plan_.cut != Cut::none && written_ >= plan_.cut_at) return cut();
    if (piece_ == plan_.pieces.size()) {
      ended_ = true;
      if (plan_.ends) wire_.finish();
      return;
    }
    const uint64_t awaited = std::min<uint64_t>(plan_.after_bytes, request_.body.size());
    if (piece_ >= plan_.first_pieces && body_bytes_ < awaited) return;
    const std::string_view bytes =
        until_cut(plan_.pieces[piece_].bytes, plan_.cut, plan_.cut_at, written_);
    written_ += bytes.size();
    wire_.write(bytes);
    ++piece_;
    const bool more = piece_ < plan_.pieces.size();
    if (more && plan_.pieces[piece_].delay_ns > 0) schedule(plan_.pieces[piece_].delay_ns);
  }
}

void Origin::cut() {
  ended_ = true;
  world().after(plan_.cut_delay_ns, [this] {
    if (wire_.gone()) return;
    world().note("origin #%lld: cut %lld", wire_.number(), static_cast<int>(plan_.cut));
    if (plan_.cut == Cut::fin) wire_.close_both();
    if (plan_.cut == Cut::half_close) wire_.finish();
    if (plan_.cut == Cut::reset) wire_.reset();
    frozen_ = plan_.cut == Cut::freeze;
  });
}

void Origin::fail(const std::string& what) const {
  world().fail("the upstream of request " + request_.id + " " + what);
}

}  // namespace sluice::sim
