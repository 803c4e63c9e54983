// ControlChannel: whole messages in order, descriptors with them, what waits where the socket is
// full or the other end is slow, and what is no message.
#include "core/process/control_channel.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::Pair;
using testing::unix_pair;
using Answer = ControlChannel::Answer;
using Keep = ControlChannel::Keep;
using Waiting = ControlChannel::Waiting;

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string text_of(const ControlMessage& message) {
  return {reinterpret_cast<const char*>(message.payload().data()), message.payload().size()};
}

// Both ends of a channel; `kind` is 1 where none is given.
struct Ends {
  explicit Ends(Pair pair = unix_pair()) : near(pair.near.release()), far(pair.far.release()) {}

  uint32_t send(std::string_view text, Keep keep = Keep::all, uint16_t kind = 1) {
    const Result<uint32_t> sent = near.send(kind, bytes_of(text), {}, keep);
    REQUIRE(sent.ok());
    return sent.value();
  }
  // The next message's text at the far end, which acknowledges it; "" where there is none.
  std::string receive(Answer answer = Answer::taken) {
    const std::optional<ControlMessage> message = far.next();
    if (!message) return "";
    far.acknowledge(message->sequence(), answer);
    return text_of(*message);
  }
  // What near does at an edge.
  void near_ready() {
    CHECK_FALSE(near.next());
    near.flush();
  }

  ControlChannel near;
  ControlChannel far;
};

// Ends whose first one has no room: by so many messages it was filled, of kind 9.
size_t fill(Ends& ends) {
  const std::string large(ControlChannel::most_payload_bytes, 'x');
  const int small = 4'608;
  REQUIRE(::setsockopt(ends.near.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
  size_t sent = 0;
  for (; ends.near.waiting() != Waiting::room; ++sent) {
    REQUIRE(sent < ControlChannel::most_unacknowledged / 2);
    ends.send(large, Keep::all, 9);
  }
  return sent;
}

// A frame as bytes, for ends that do not keep to the rules.
std::string frame(ControlHeader header, const std::string& payload = "") {
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes + payload;
}

TEST_CASE("control_channel: messages arrive whole, in order, both ways, with their numbers") {
  Ends ends;
  CHECK(ends.send("one") == 1);
  CHECK(ends.send("", Keep::all, 7) == 2);
  CHECK(ends.send(std::string(ControlChannel::most_payload_bytes, 'z')) == 3);
  const Result<uint32_t> back = ends.far.send(2, bytes_of("back"), {}, Keep::all);
  REQUIRE(back.ok());
  CHECK(back.value() == 1);  // each end counts its own
  for (const auto& [kind, text] : {std::pair<uint16_t, std::string>{1, "one"},
                                   {7, ""},
                                   {1, std::string(ControlChannel::most_payload_bytes, 'z')}}) {
    const std::optional<ControlMessage> message = ends.far.next();
    REQUIRE(message);
    CHECK(message->kind() == kind);
    CHECK(text_of(*message) == text);
    CHECK(message->descriptors() == 0);
  }
  CHECK_FALSE(ends.far.next());
  CHECK_FALSE(ends.far.ended());
  const std::optional<ControlMessage> message = ends.near.next();
  REQUIRE(message);
  CHECK(text_of(*message) == "back");
}

TEST_CASE("control_channel: descriptors come with their message; those not taken are closed") {
  Ends ends;
  Pair first = unix_pair();
  Pair second = unix_pair();
  const int fds[] = {first.near.get(), second.near.get()};
  ends.send("before");
  REQUIRE(ends.near.send(1, bytes_of("with"), fds, Keep::all).ok());
  ends.send("behind");
  CHECK(ends.receive() == "before");
  {
    std::optional<ControlMessage> message = ends.far.next();
    REQUIRE(message);
    CHECK(text_of(*message) == "with");
    REQUIRE(message->descriptors() == 2);
    const Descriptor taken(message->take_descriptor());
    CHECK(message->descriptors() == 1);
    testing::send_text(taken.get(), "hello");
    CHECK(testing::recv_text(first.far.get()) == "hello");
    second.near.close();  // the sender's own
    char byte = 0;
    CHECK(sys::recv(second.far.get(), &byte, 1) == -EAGAIN);  // the message still has it
  }
  char byte = 0;
  CHECK(sys::recv(second.far.get(), &byte, 1) == 0);  // nobody has it any more
  CHECK(ends.receive() == "behind");
}

TEST_CASE("control_channel: what a full socket has no room for arrives later") {
  Ends ends;
  const size_t large = fill(ends);
  ends.send("small");
  CHECK(ends.near.waiting() == Waiting::room);
  size_t received = 0;
  std::string last;
  for (int tries = 0; tries < 1'000 && last != "small"; ++tries) {
    while (const std::optional<ControlMessage> message = ends.far.next()) {
      ends.far.acknowledge(message->sequence(), Answer::taken);
      last = text_of(*message);
      received += message->kind() == 9;
    }
    ends.near_ready();
  }
  CHECK(last == "small");
  CHECK(received == large);
  ends.near_ready();
  CHECK(ends.near.waiting() == Waiting::nothing);
  CHECK(ends.near.unacknowledged() == 0);
}

TEST_CASE("control_channel: while the other end stands still, only the latest of a kind is kept") {
  Ends ends;
  const uint32_t first = ends.send("1", Keep::latest);
  const uint32_t second = ends.send("2", Keep::latest);
  const uint32_t third = ends.send("3", Keep::latest);
  ends.send("other", Keep::latest, 2);
  CHECK(ends.near.unacknowledged() == 3);
  CHECK(ends.near.unacknowledged(first));
  CHECK_FALSE(ends.near.unacknowledged(second));
  CHECK(ends.near.unacknowledged(third));
  CHECK(ends.receive() == "1");
  CHECK(ends.receive() == "other");
  CHECK(ends.receive() == "");  // the third waits for the first's receipt
  ends.near_ready();
  CHECK_FALSE(ends.near.unacknowledged(first));
  CHECK(ends.receive() == "3");
  ends.near_ready();
  CHECK(ends.near.unacknowledged() == 0);
  CHECK(ends.receive() == "");  // nothing is sent twice
}

TEST_CASE("control_channel: what does not replace has a limit, and then goes on") {
  Ends ends;
  for (size_t i = 0; i < ControlChannel::most_unacknowledged; ++i) ends.send("x");
  const Result<uint32_t> refused = ends.near.send(1, bytes_of("x"), {}, Keep::all);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.fault().text() == "too many control messages wait");
  for (size_t i = 0; i < ControlChannel::most_unacknowledged; ++i) CHECK(ends.receive() == "x");
  ends.near_ready();
  ends.send("again");
  CHECK(ends.receive() == "again");
}

TEST_CASE("control_channel: what cannot be taken now is sent again, unless there is a later one") {
  Ends ends;
  const uint32_t first = ends.send("1", Keep::latest);
  CHECK(ends.receive(Answer::not_now) == "1");
  ends.near_ready();
  CHECK(ends.near.waiting() == Waiting::time);
  CHECK(ends.receive() == "");  // not at once
  ends.near.retry();
  CHECK(ends.near.waiting() == Waiting::nothing);
  CHECK(ends.near.unacknowledged(first));
  CHECK(ends.receive(Answer::not_now) == "1");
  ends.send("2", Keep::latest);
  ends.near_ready();
  CHECK(ends.near.waiting() == Waiting::nothing);
  CHECK(ends.receive() == "2");
  ends.near_ready();
  ends.near.retry();
  CHECK(ends.receive() == "");
  CHECK(ends.near.unacknowledged() == 0);
}

TEST_CASE("control_channel: a message that lost its descriptors is asked for again") {
  Ends ends;
  const Pair passed = unix_pair();
  const int fds[] = {passed.near.get()};
  REQUIRE(ends.near.send(1, bytes_of("with"), fds, Keep::all).ok());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool came = ends.far.next().has_value();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK_FALSE(came);
  ends.near_ready();
  CHECK(ends.near.waiting() == Waiting::time);
  ends.near.retry();
  const std::optional<ControlMessage> message = ends.far.next();
  REQUIRE(message);
  CHECK(message->descriptors() == 1);
}

TEST_CASE("control_channel: no copy of a payload outlives its message") {
  Ends ends;
  ends.send("secret");
  const std::optional<ControlMessage> message = ends.far.next();
  REQUIRE(message);
  const std::span<const uint8_t> payload = message->payload();
  CHECK(text_of(*message) == "secret");
  CHECK_FALSE(ends.far.next());
  for (const uint8_t byte : payload) CHECK(byte == 0);
}

TEST_CASE("control_channel: the other end's end comes behind what it sent, and fails the next") {
  Pair pair = unix_pair();
  ControlChannel near(pair.near.release());
  {
    ControlChannel far(pair.far.release());
    REQUIRE(far.send(1, bytes_of("last"), {}, Keep::all).ok());
    CHECK_FALSE(near.next()->payload().empty());
    CHECK_FALSE(near.ended());
    REQUIRE(far.send(1, bytes_of("really"), {}, Keep::all).ok());
  }
  CHECK_FALSE(near.ended());
  near.acknowledge(1, Answer::taken);  // nobody takes it, which hides nothing of what came
  const std::optional<ControlMessage> last = near.next();
  REQUIRE(last);
  CHECK(text_of(*last) == "really");
  CHECK_FALSE(near.next());
  CHECK(near.ended());
  CHECK_FALSE(near.malformed());
  const Result<uint32_t> sent = near.send(1, bytes_of("x"), {}, Keep::all);
  REQUIRE_FALSE(sent.ok());
  CHECK(sent.fault().error == EPIPE);
  CHECK(near.unacknowledged() == 0);
}

TEST_CASE("control_channel: a message comes in pieces, with descriptors at any of its header's") {
  const std::string bytes = frame({3, control_version, 5, 1, 1}, "hello");
  for (size_t with_descriptor = 0; with_descriptor < sizeof(ControlHeader); ++with_descriptor) {
    CAPTURE(with_descriptor);
    Pair pair = unix_pair();
    ControlChannel far(pair.far.release());
    const Pair passed = unix_pair();
    const int fds[] = {passed.near.get()};
    for (size_t i = 0; i < bytes.size(); ++i) {
      CHECK_FALSE(far.next());
      const std::span<const uint8_t> piece = bytes_of(std::string_view(bytes).substr(i, 1));
      const std::span<const int> attached(fds, i == with_descriptor ? 1 : 0);
      REQUIRE(sys::send_with_descriptors(pair.near.get(), piece, attached) == 1);
    }
    const std::optional<ControlMessage> message = far.next();
    REQUIRE(message);
    CHECK(message->kind() == 3);
    CHECK(message->descriptors() == 1);
    CHECK(text_of(*message) == "hello");
  }
}

TEST_CASE("control_channel: what is no message ends the channel and keeps no descriptor") {
  const uint32_t too_long = ControlChannel::most_payload_bytes + 1;
  for (const ControlHeader& header :
       {ControlHeader{1, control_version + 1, 0, 1, 1}, ControlHeader{1, 0, 0, 1, 1},
        ControlHeader{1, control_version, too_long, 1, 1},
        ControlHeader{1, control_version, UINT32_MAX, 1, 1},
        ControlHeader{1, control_version, 0, 1, 0}, ControlHeader{0, control_version, 8, 0, 1},
        ControlHeader{0, control_version, 7, 0, 0}}) {
    Pair pair = unix_pair();
    ControlChannel far(pair.far.release());
    Pair passed = unix_pair();
    const int fds[] = {passed.near.get()};
    const std::string bytes = frame(header, "12345678");
    REQUIRE(sys::send_with_descriptors(pair.near.get(), bytes_of(bytes), fds) > 0);
    CHECK_FALSE(far.next());
    CHECK(far.ended());
    CHECK(far.malformed());
    CHECK_FALSE(far.next());
    passed.near.close();
    char byte = 0;
    CHECK(sys::recv(passed.far.get(), &byte, 1) == 0);
  }
}

// Otherwise one end could keep the other at work for as long as it likes.
TEST_CASE("control_channel: a receipt for what was not sent, or twice for one, ends the channel") {
  const auto receipt = [](uint32_t sequence, uint32_t answer) {
    std::string payload(8, '\0');
    std::memcpy(payload.data(), &sequence, 4);
    std::memcpy(payload.data() + 4, &answer, 4);
    return frame({0, control_version, 8, 0, 0}, payload);
  };
  for (const uint32_t unsent : {uint32_t{0}, uint32_t{2}, uint32_t{77}}) {
    Pair pair = unix_pair();
    ControlChannel near(pair.near.release());
    REQUIRE(near.send(1, bytes_of("a"), {}, Keep::latest).ok());
    REQUIRE(near.send(1, bytes_of("b"), {}, Keep::latest).ok());  // waits
    testing::send_text(pair.far.get(), receipt(unsent, 0));
    CHECK_FALSE(near.next());
    CHECK(near.malformed());
  }
  Pair pair = unix_pair();
  ControlChannel near(pair.near.release());
  REQUIRE(near.send(1, bytes_of("a"), {}, Keep::latest).ok());
  testing::send_text(pair.far.get(), receipt(1, 0));
  CHECK_FALSE(near.next());
  CHECK(near.unacknowledged() == 0);
  CHECK_FALSE(near.ended());
  testing::send_text(pair.far.get(), receipt(1, 0));
  CHECK_FALSE(near.next());
  CHECK(near.malformed());
}

TEST_CASE("control_channel: who acknowledges nothing but goes on sending is no channel's end") {
  Pair pair = unix_pair();
  ControlChannel far(pair.far.release());
  // Nobody reads the receipts, and there is little room for them.
  const int small = 4'608;
  REQUIRE(::setsockopt(far.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
  for (uint32_t sequence = 1; sequence < 10'000 && !far.ended(); ++sequence) {
    testing::send_text(pair.near.get(), frame({1, control_version, 0, sequence, 0}));
    while (const std::optional<ControlMessage> message = far.next()) {
      far.acknowledge(message->sequence(), Answer::taken);
    }
  }
  CHECK(far.malformed());
}

}  // namespace
}  // namespace sluice
