// Http2Session: the bytes of a client that keeps no rule, in cuts of its own. Each request that
// passes is one message of HTTP/1.1 or a refused one, never two; what a stream may bring is bounded
// by its window; whatever comes, calls on streams that are gone do nothing.
#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/check.h"
#include "protocol/http1.h"
#include "protocol/http2_session.h"
#include "protocol/preface.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

constexpr uint32_t window_bytes = 65'535;
constexpr uint32_t most_header_bytes = 4 * 1024;
constexpr uint32_t most_streams = 8;
constexpr size_t most_out = 64 * 1024;

// The text is one head and nothing behind it, or is refused by whom it is given to.
void check_text(const std::string& text) {
  Http1Parser::Limits limits;
  limits.head_bytes = most_header_bytes;
  Http1Parser parser(Http1Parser::Role::request, limits);
  const Http1Parser::Fed fed = parser.feed_head(text);
  SLUICE_CHECK(fed.outcome != Http1Parser::Outcome::more);
  if (fed.outcome == Http1Parser::Outcome::failed) return;
  SLUICE_CHECK(fed.consumed == text.size());
  const RequestHead& head = parser.request();
  SLUICE_CHECK(head.count("host") <= 1 && head.count("connection") == 1);
  SLUICE_CHECK(head.count("upgrade") == head.count("sec-websocket-key"));
  SLUICE_CHECK(head.count("transfer-encoding") + head.count("content-length") <= 1);
}

struct Stream final : Http2StreamEvents {
  uint64_t unread = 0;
  bool ended = false;
  bool closed = false;
  bool writable = true;

  void on_data(std::span<const uint8_t> bytes) override {
    SLUICE_CHECK(!closed && !ended);
    unread += bytes.size();
    SLUICE_CHECK(unread <= window_bytes);
  }
  void on_trailers(std::string_view lines) override {
    SLUICE_CHECK(lines.empty() || lines.ends_with("\r\n"));
  }
  void on_end() override { ended = true; }
  void on_closed(Http2End) override {
    SLUICE_CHECK(!closed);
    closed = true;
  }
  void on_writable() override { writable = true; }
};

class Server final : public Http2Events {
 public:
  Http2StreamEvents* on_request(int32_t id, const Http2Request& request, bool) override {
    check_text(request.text("dGhlIHNhbXBsZSBub25jZQ==", true));
    if (request.is_head()) return nullptr;
    auto& place = streams_[id];
    SLUICE_CHECK(place == nullptr);
    place = std::make_unique<Stream>();
    return place.get();
  }

  // What sessions do, by the bits of a byte of the input.
  void act(Http2Session& session, uint8_t what, std::string& out) {
    static const std::vector<Http2Field> fields = {{":status", "200"}, {"x-a", "b"}};
    static const std::array<uint8_t, 3000> payload{};
    for (auto& [id, stream] : streams_) {
      if ((what & 1) != 0) session.answer(id, fields, (what & 2) != 0, (what & 4) != 0);
      if ((what & 8) != 0 && !stream->closed) {
        session.consumed(id, stream->unread);
        stream->unread = 0;
      }
      if ((what & 16) != 0) {
        const iovec piece{const_cast<uint8_t*>(payload.data()), payload.size()};
        SLUICE_CHECK(session.send(id, {&piece, 1}, out, most_out) <= payload.size());
      }
      if ((what & 32) != 0) session.end(id, (what & 2) != 0 ? fields_of_trailers() : none());
      if ((what & 64) != 0) session.reset(id, Http2Code::cancel);
    }
    if ((what & 128) != 0) drop_some(session, what);
    session.pull(out, most_out);
    if (out.size() >= most_out) out.clear();
  }

  void drop_some(Http2Session& session, uint8_t what) {
    for (auto each = streams_.begin(); each != streams_.end();) {
      if (!each->second->closed && (what & 64) == 0) {
        ++each;
        continue;
      }
      session.disown(each->first);
      each = streams_.erase(each);
    }
  }

 private:
  static std::vector<Http2Field> fields_of_trailers() { return {{"x-sum", "1"}}; }
  static std::vector<Http2Field> none() { return {}; }

  std::map<int32_t, std::unique_ptr<Stream>> streams_;
};

}  // namespace

}  // namespace sluice::fuzz

// The first byte: whether a preface stands before the rest. Then pieces: their length, what
// sessions do after them, and their bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  using namespace sluice::fuzz;
  if (size == 0) return 0;
  Server server;
  Http2Session session({.max_streams = most_streams,
                        .stream_window = window_bytes,
                        .max_header_bytes = most_header_bytes},
                       server);
  std::string out;
  if ((data[0] & 1) == 0) {
    session.feed({reinterpret_cast<const uint8_t*>(http2_preface.data()), http2_preface.size()});
  }
  for (size_t at = 1; at + 2 < size;) {
    const size_t length = std::min<size_t>(data[at], size - at - 2);
    const uint8_t what = data[at + 1];
    session.feed({data + at + 2, length});
    server.act(session, what, out);
    at += 2 + length;
  }
  session.shut_down();
  session.pull(out, SIZE_MAX);
  return 0;
}
