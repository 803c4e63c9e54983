// The body is re-framed: as long as announced, else chunked. One that breaks off is left without
// its end, and the connection's end shows it.
#include "core/session/refusal_relay.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/observe/limit_text.h"
#include "protocol/handshake.h"

namespace sluice {

namespace {

constexpr size_t read_bytes = 16 * 1024;
constexpr int read_rounds = 16;  // then others get their turn
// A refusal that moves is cut off after so many times send_timeout: its body has no end otherwise.
constexpr uint64_t most_send_timeouts = 12;

std::string head_for(const Http1Parser& answer, std::string set_cookie) {
  AnswerHead head = build_refusal_head(answer.answer(), answer.framing(), answer.content_length());
  if (!set_cookie.empty()) head.add_made("Set-Cookie", std::move(set_cookie));
  return write_http1(head);
}

}  // namespace

RefusalRelay::RefusalRelay(const SessionContext& lent, const RouteConfig& route, const Dial& dial,
                           Http1Parser& answer, std::string set_cookie)
    : lent_(lent),
      route_(route),
      dial_(dial),
      answer_(answer),
      out_(head_for(answer, std::move(set_cookie))),
      progress_ms_(lent.now_ms()),
      ends_ms_(progress_ms_ + most_send_timeouts * route.send_timeout_ms) {}

RefusalRelay::Step RefusalRelay::begin(std::string_view behind) {
  watch();
  // Without a body the head is all; feeding nothing finds that out.
  return take_body(behind) ? run() : Step::done;
}

RefusalRelay::Step RefusalRelay::run() {
  Leg& upstream = lent_.upstream;
  for (int round = 0; round < read_rounds; ++round) {
    if (!send()) return Step::client_left;
    if (!out_.all_sent()) return Step::wait;
    out_.clear();
    if (body_done_) return Step::done;
    if (!upstream.readable) return Step::wait;
    char bytes[read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = upstream.recv({&piece, 1});
    if (io.state == Io::State::blocked) return Step::wait;
    if (io.state != Io::State::open) {
      // Only an orderly end may end a body that has no other.
      if (io.state == Io::State::failed || !answer_.finish_body()) {
        constexpr const char* broke_off = "the body of its refusal broke off";
        dial_.log(LogLevel::warn, broke_off, broke_off);
        return Step::done;
      }
      end_body();
      continue;
    }
    progress_ms_ = lent_.now_ms();
    if (!take_body({bytes, io.bytes})) return Step::done;
  }
  return Step::again;
}

RefusalRelay::Step RefusalRelay::on_timer() {
  const uint64_t limit_ms = route_.send_timeout_ms;
  const uint64_t now_ms = lent_.now_ms();
  const bool stalled = now_ms >= progress_ms_ + limit_ms;
  if (!stalled && now_ms < ends_ms_) {
    watch();
    return Step::wait;
  }
  reason_ = stalled ? "refusal does not move" : "refusal does not end";
  std::string line = "request " + lent_.id_text() + ": the upstream's refusal was cut off, ";
  line +=
      stalled ? "nothing moved for " : "it took " + std::to_string(most_send_timeouts) + " times ";
  lent_.worker.log.recurring(LogLevel::info, reason_,
                             line + time_setting_text("send_timeout", limit_ms));
  return Step::cut_off;
}

// False where the body is malformed: what was decoded is still sent as far as it goes at once, and
// the missing end tells the client.
bool RefusalRelay::take_body(std::string_view bytes) {
  std::string body;
  const Http1Parser::Fed fed = answer_.feed_body(bytes, body);
  if (!body.empty()) queue_body(body);
  if (fed.outcome == Http1Parser::Outcome::complete) end_body();
  if (fed.outcome != Http1Parser::Outcome::failed) return true;
  constexpr const char* malformed = "the body of its refusal is malformed";
  const std::string limit = head_limit_text(answer_, "max_answer_header_size",
                                            route_.max_answer_header_bytes, /*most_fields=*/0);
  dial_.log(LogLevel::warn, malformed,
            limit.empty() ? malformed : "the body of its refusal: " + limit);
  send();
  return false;
}

void RefusalRelay::queue_body(std::string_view body) {
  std::string& text = out_.text();
  if (answer_.framing() == Http1Parser::Framing::length) {
    text += body;
    return;
  }
  char size[20];
  const auto written = std::to_chars(size, size + sizeof size, body.size(), 16);
  text.append(size, written.ptr).append("\r\n").append(body).append("\r\n");
}

void RefusalRelay::end_body() {
  if (std::exchange(body_done_, true)) return;
  const Http1Parser::Framing framing = answer_.framing();
  if (framing == Http1Parser::Framing::chunked || framing == Http1Parser::Framing::until_close) {
    out_.text() += "0\r\n\r\n";
  }
}

// False where the client takes nothing any more.
bool RefusalRelay::send() {
  const size_t before = out_.sent_bytes();
  const Outgoing::Step step = out_.send(lent_.client);
  if (out_.sent_bytes() > before) progress_ms_ = lent_.now_ms();
  return step != Outgoing::Step::failed;
}

void RefusalRelay::watch() {
  const uint64_t stalls_ms = progress_ms_ + route_.send_timeout_ms;
  lent_.arm(std::min(stalls_ms, ends_ms_) - lent_.now_ms());
}

}  // namespace sluice
