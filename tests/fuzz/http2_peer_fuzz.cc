// Http2Session as a client: the bytes of a peer that keeps no rule, in cuts of its own. Each head
// of an answer that passes is one message of HTTP/1.1, or one that its reader refuses, never two;
// an answer is told once and nothing behind its end; what a stream may bring is bounded by its
// window.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/check.h"
#include "protocol/http1.h"
#include "protocol/http2_session.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

constexpr uint32_t peer_window_bytes = 65'535;
constexpr uint32_t most_reply_bytes = 4 * 1024;
constexpr size_t most_asked = 8;
constexpr size_t most_out_bytes = 64 * 1024;

const Http2Asked& asked_of(unsigned kind) {
  static const Http2Asked plain;
  static const Http2Asked head{.to_head = true};
  static const Http2Asked old{.to_http10 = true};
  static const Http2Asked websocket{.websocket = true, .key = "dGhlIHNhbXBsZSBub25jZQ=="};
  const Http2Asked* const all[] = {&plain, &websocket, &head, &old};
  return *all[kind % std::size(all)];
}

// The text is one head and nothing behind it, or is refused by whom it is given to.
void check_reply(const Http2Reply& reply, const Http2Asked& asked, bool ended) {
  const std::string text = reply.text(asked, ended);
  Http1Parser::Limits limits;
  limits.head_bytes = most_reply_bytes;
  Http1Parser parser(Http1Parser::Role::response, limits);
  if (asked.to_head) parser.answers_head_request();
  const Http1Parser::Fed fed = parser.feed_head(text);
  SLUICE_CHECK(fed.outcome != Http1Parser::Outcome::more);
  if (fed.outcome == Http1Parser::Outcome::failed) return;
  SLUICE_CHECK(fed.consumed == text.size());
  const AnswerHead& head = parser.answer();
  SLUICE_CHECK(head.status == (reply.opens(asked) ? 101 : reply.status()));
  SLUICE_CHECK(head.count("upgrade") == (reply.opens(asked) ? 1u : 0u));
  SLUICE_CHECK(head.count("transfer-encoding") == (reply.is_chunked(asked, ended) ? 1u : 0u));
}

struct Asker final : Http2StreamEvents {
  explicit Asker(unsigned which) : kind(which) {}
  unsigned kind;
  uint64_t unread = 0;
  bool answered = false;
  bool ended = false;
  bool closed = false;

  void on_reply(const Http2Reply& reply, bool over) override {
    SLUICE_CHECK(!answered && !ended && !closed);
    check_reply(reply, asked_of(kind), over);
    answered = !reply.is_interim();
  }
  void on_data(std::span<const uint8_t> bytes) override {
    SLUICE_CHECK(answered && !closed && !ended);
    unread += bytes.size();
    SLUICE_CHECK(unread <= peer_window_bytes);
  }
  void on_trailers(std::string_view lines) override {
    SLUICE_CHECK(answered && (lines.empty() || lines.ends_with("\r\n")));
  }
  void on_end() override {
    SLUICE_CHECK(answered && !ended);
    ended = true;
  }
  void on_closed(Http2End) override {
    SLUICE_CHECK(!closed);
    closed = true;
  }
  void on_writable() override {}
};

class Client final : public Http2Events {
 public:
  // What sessions do, by the bits of a byte of the input.
  void act(Http2Session& session, uint8_t what, std::string& out) {
    if ((what & 1) != 0 && session.may_ask() && askers_.size() < most_asked) {
      ask(session, what >> 4, (what & 2) != 0, out);
    }
    static const std::array<uint8_t, 3000> payload{};
    for (auto& [id, asker] : askers_) {
      if ((what & 8) != 0 && !asker->closed) {
        session.consumed(id, asker->unread);
        asker->unread = 0;
      }
      if ((what & 16) != 0) {
        const iovec piece{const_cast<uint8_t*>(payload.data()), payload.size()};
        SLUICE_CHECK(session.send(id, {&piece, 1}, out, most_out_bytes) <= payload.size());
      }
      if ((what & 32) != 0) session.end(id);
      if ((what & 64) != 0) session.reset(id, Http2Code::cancel);
    }
    if ((what & 128) != 0) drop_some(session, (what & 64) != 0);
    session.pull(out, most_out_bytes);
    if (out.size() >= most_out_bytes) out.clear();
  }

 private:
  void ask(Http2Session& session, unsigned kind, bool end, std::string& out) {
    const bool websocket = asked_of(kind).websocket;
    std::vector<Http2Field> fields = {{":method", websocket ? "CONNECT" : "GET"}};
    if (websocket) fields.push_back({":protocol", "websocket"});
    for (const char* name : {":scheme", ":authority", ":path"}) fields.push_back({name, "/"});
    auto asker = std::make_unique<Asker>(kind);
    const int32_t id = session.ask(*asker, fields, end && !websocket, most_reply_bytes, out);
    if (id == 0) return;
    askers_[id] = std::move(asker);
  }

  void drop_some(Http2Session& session, bool all) {
    for (auto each = askers_.begin(); each != askers_.end();) {
      if (!each->second->closed && !all) {
        ++each;
        continue;
      }
      session.disown(each->first);
      each = askers_.erase(each);
    }
  }

  std::map<int32_t, std::unique_ptr<Asker>> askers_;
};

}  // namespace

}  // namespace sluice::fuzz

// Pieces: their length, what sessions do after them, and their bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  using namespace sluice::fuzz;
  Client client;
  Http2Session session({.role = Http2Role::client, .stream_window = peer_window_bytes}, client);
  std::string out;
  session.pull(out, most_out_bytes);
  for (size_t at = 0; at + 2 < size;) {
    const size_t length = std::min<size_t>(data[at], size - at - 2);
    const uint8_t what = data[at + 1];
    session.feed({data + at + 2, length});
    client.act(session, what, out);
    at += 2 + length;
  }
  session.terminate(Http2Code::no_error, "");
  session.pull(out, SIZE_MAX);
  return 0;
}
