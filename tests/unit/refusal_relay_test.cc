// RefusalRelay: an answer's body is framed anew, and one that breaks off shows as broken.
#include "core/session/refusal_relay.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = RefusalRelay::Step;

class Relaying {
 public:
  // `answer`: the upstream's head with what of the body came with it.
  explicit Relaying(const std::string& answer) {
    lent_.context.client.assume_writable();
    REQUIRE(dial_.begin({}) == Dial::Step::wait);
    REQUIRE(worker_.turn_until([&] { return dial_.run() == Dial::Step::ready; }));
    peer_ = upstream_.accept();
    const Http1Parser::Fed fed = parser_.feed_head(answer);
    REQUIRE(fed.outcome == Http1Parser::Outcome::complete);
    behind_ = answer.substr(fed.consumed);
  }

  Step begin(const std::string& set_cookie = "") {
    relay_.emplace(lent_.context, worker_.route(), dial_, parser_, set_cookie);
    return relay_->begin(behind_);
  }
  Step say(const std::string& bytes) {
    testing::send_text(peer_.get(), bytes);
    return turn();
  }
  Step hang_up() {
    peer_.close();
    return turn();
  }
  std::string heard() { return testing::recv_text(lent_.client_end().get()); }
  testing::Lent& lent() { return lent_; }
  RefusalRelay& relay() { return *relay_; }

 private:
  Step turn() {
    lent_.context.upstream.readable = false;
    CHECK(worker_.turn_until([&] { return bool{lent_.context.upstream.readable}; }));
    return relay_->run();
  }

  testing::TestUpstream upstream_;
  testing::TestWorker worker_{"route /\nproxy_pass " + upstream_.uri() + "\nsend_timeout 1s\n"};
  testing::Lent lent_{worker_};
  Dial dial_{lent_.context, worker_.route()};
  testing::Descriptor peer_;
  Http1Parser parser_{Http1Parser::Role::response, {}};
  std::string behind_;
  std::optional<RefusalRelay> relay_;
};

TEST_CASE("refusal relay: a body of known length passes as it is") {
  Relaying r("HTTP/1.1 403 No\r\nContent-Length: 7\r\nX-Why: 1\r\n\r\nab");
  CHECK(r.begin() == Step::wait);
  CHECK(r.say("cdefg") == Step::done);
  const std::string text = r.heard();
  CHECK(text.starts_with("HTTP/1.1 403 No\r\nX-Why: 1\r\nConnection: close\r\n"));
  CHECK(text.ends_with("Content-Length: 7\r\n\r\nabcdefg"));
}

TEST_CASE(
    "refusal relay: a body of no known length is chunked, and ends when its connection does") {
  Relaying r("HTTP/1.0 500 Oh\r\n\r\nfirst");
  CHECK(r.begin() == Step::wait);
  CHECK(r.heard().ends_with("5\r\nfirst\r\n"));
  CHECK(r.say("second") == Step::wait);
  CHECK(r.heard() == "6\r\nsecond\r\n");
  CHECK(r.hang_up() == Step::done);
  CHECK(r.heard() == "0\r\n\r\n");
}

TEST_CASE("refusal relay: a body that breaks off, or is malformed, is left without its end") {
  Relaying broken("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  CHECK(broken.begin() == Step::wait);
  CHECK(broken.hang_up() == Step::done);
  CHECK(broken.heard().ends_with("5\r\nhello\r\n"));
  Relaying malformed("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz");
  CHECK(malformed.begin() == Step::done);
  CHECK(malformed.heard().ends_with("5\r\nhello\r\n"));
}

TEST_CASE("refusal relay: no body, no wait") {
  Relaying r("HTTP/1.1 204 Empty\r\n\r\n");
  CHECK(r.begin() == Step::done);
  CHECK(r.heard().starts_with("HTTP/1.1 204 Empty\r\n"));
}

TEST_CASE("refusal relay: a client that left, and a timer that finds it moving") {
  Relaying r("HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\n");
  CHECK(r.begin() == Step::wait);
  CHECK(r.relay().on_timer() == Step::wait);  // it has just moved
  CHECK(std::string(r.relay().reason()).empty());
  r.lent().client_end().close();
  r.lent().context.client.assume_writable();
  Step step = Step::wait;
  for (int i = 0; i < 3 && step == Step::wait; ++i) step = r.say("a");
  CHECK(step == Step::client_left);
}

}  // namespace
}  // namespace sluice
