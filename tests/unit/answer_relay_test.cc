// AnswerRelay: an answer's body arrives as it was sent, and one that breaks off shows as broken.
#include "core/session/answer_relay.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

using Step = AnswerRelay::Step;

const std::string head = "HTTP/1.1 403 As the client gets it\r\n\r\n";

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

  Step begin() {
    RelayedAnswer answer{.head = head,
                         .framing = parser_.framing(),
                         .length = parser_.content_length(),
                         .timeout = "send_timeout",
                         .timeout_ms = 1'000,
                         .most_timeouts = 12};
    relay_.emplace(lent_.context, dial_, std::move(answer));
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
  AnswerRelay& relay() { return *relay_; }

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
  std::optional<AnswerRelay> relay_;
};

TEST_CASE("answer relay: a body of known length passes as it is") {
  Relaying r("HTTP/1.1 403 No\r\nContent-Length: 7\r\n\r\nab");
  CHECK(r.begin() == Step::wait);
  CHECK(r.say("cdefg") == Step::done);
  CHECK(r.heard() == head + "abcdefg");
  CHECK(r.relay().end_shows());
}

TEST_CASE("answer relay: a body of no known length ends when its connection does") {
  Relaying r("HTTP/1.0 500 Oh\r\n\r\nfirst");
  CHECK(r.begin() == Step::wait);
  CHECK(r.heard() == head + "first");
  CHECK(r.say("second") == Step::wait);
  CHECK(r.heard() == "second");
  CHECK(r.hang_up() == Step::done);
  CHECK(!r.relay().end_shows());
}

TEST_CASE("answer relay: a body that breaks off, or is malformed, is left without its end") {
  Relaying broken("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  CHECK(broken.begin() == Step::wait);
  CHECK(broken.hang_up() == Step::broken);
  CHECK(broken.heard() == head + "5\r\nhello\r\n");
  Relaying malformed("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz");
  CHECK(malformed.begin() == Step::broken);
  CHECK(malformed.heard() == head + "5\r\nhello\r\n");
}

TEST_CASE("answer relay: no body, no wait") {
  Relaying r("HTTP/1.1 204 Empty\r\n\r\n");
  CHECK(r.begin() == Step::done);
  CHECK(r.heard() == head);
}

TEST_CASE("answer relay: a client that left, and a timer that finds it moving") {
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
