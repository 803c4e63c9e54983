// Forward: a request goes out, the head of an answer comes in.
#include "core/session/forward.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/session_testing.h"

namespace sluice {
namespace {

using Step = Forward::Step;

const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Forwarding {
  Step say(const std::string& bytes) {
    peer.say(bytes);
    return forward.run();
  }

  testing::PairedLeg peer;
  Forward forward{peer.leg, request, 1024};
};

TEST_CASE("forward: the request is sent, the answer's head read, and what came behind it kept") {
  Forwarding f;
  CHECK(f.forward.run() == Step::wait);
  CHECK(f.peer.heard() == request);
  CHECK(f.forward.request_sent());
  CHECK(!f.forward.begun());
  CHECK(f.say("HTTP/1.1 403 No\r\nContent-") == Step::wait);
  CHECK(f.forward.begun());
  CHECK(f.say("Length: 2\r\n\r\nno") == Step::answered);
  CHECK(f.forward.answer().status == 403);
  CHECK(f.forward.behind() == "no");
  CHECK(f.forward.parser().content_length() == 2);
}

TEST_CASE("forward: interim answers are dropped, also in one segment with the final one") {
  Forwarding f;
  CHECK(f.say("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\n\r\n\x81") == Step::answered);
  CHECK(f.forward.answer().status == 101);
  CHECK(f.forward.answer().find("Link") == nullptr);
  CHECK(f.forward.behind() == "\x81");
}

TEST_CASE("forward: an answer before the whole request was taken is an answer") {
  testing::PairedLeg peer;
  sys::set_receive_buffer(peer.far(), 4'096);
  const std::string large = "GET /" + std::string(4'000'000, 'x') + " HTTP/1.1\r\n\r\n";
  Forward forward(peer.leg, large, 1024);
  CHECK(forward.run() == Step::wait);
  CHECK(!forward.request_sent());
  peer.say("HTTP/1.1 414 Long\r\n\r\n");
  CHECK(forward.run() == Step::answered);
  CHECK(forward.answer().status == 414);
}

TEST_CASE("forward: a peer that leaves, with and without a word") {
  Forwarding silent;
  CHECK(silent.forward.run() == Step::wait);
  CHECK(silent.peer.heard() == request);  // unread, it would make a reset of the end
  silent.peer.hang_up();
  CHECK(silent.forward.run() == Step::lost);
  CHECK(!silent.forward.begun());
  CHECK(std::string(silent.forward.why()) == "upstream closed during the handshake");

  Forwarding begun;
  CHECK(begun.say("HTTP/1.1 1") == Step::wait);
  begun.peer.hang_up();
  CHECK(begun.forward.run() == Step::lost);
  CHECK(begun.forward.begun());
}

TEST_CASE("forward: a head over its limit, and one that is none") {
  Forwarding f;
  CHECK(f.say("HTTP/1.1 200 OK\r\nX: " + std::string(2'000, 'x')) == Step::malformed);
  CHECK(f.forward.parser().passed() == Http1Parser::Passed::head_bytes);
  Forwarding other;
  CHECK(other.say("220 mail.example ESMTP\r\n") == Step::malformed);
  CHECK(other.forward.parser().passed() == Http1Parser::Passed::none);
}

}  // namespace
}  // namespace sluice
