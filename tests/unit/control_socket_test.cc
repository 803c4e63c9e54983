// ControlSocket: who is heard, what is answered and when, and what clients cannot do to the master.
#include "core/process/control_socket.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/net_testing.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::Descriptor;
using testing::send_text;

constexpr const char* done = "{\"ok\":true}\n";

// Answers at once, but for reloads, whose tickets it keeps.
class Commands final : public ControlCommands {
 public:
  void reload(ControlTicket ticket) override { tickets.push_back(ticket); }
  void stop() override { ++stops; }
  void quit() override { ++quits; }
  ControlAnswer reopen() override {
    ++reopens;
    return reopens > 1 ? refusal("no such folder") : ControlAnswer{};
  }
  ControlAnswer drain(const DrainRequest& request) override {
    parts += "drain " + text_of(request.part) + "; ";
    return {};
  }
  ControlAnswer undrain(const NamedPart& part) override {
    parts += "undrain " + text_of(part) + "; ";
    return refusal("it is not drained");
  }
  void sessions(ControlTicket ticket, const SessionsRequest& request) override {
    parts += "sessions " + std::to_string(request.limit) + "; ";
    tickets.push_back(ticket);
  }
  void close_session(ControlTicket ticket, const CloseRequest& request) override {
    parts += "close " + request.id + "; ";
    tickets.push_back(ticket);
  }
  void trace(ControlTicket ticket, const TraceRequest& request) override {
    parts += "trace " + request.route + "; ";
    tickets.push_back(ticket);
  }
  void on_taken(ControlTicket) override { ++taken; }
  void on_gone(ControlTicket) override { ++gone; }
  void tell_status(Json& status) override { status["text"] = status_text; }

  std::vector<ControlTicket> tickets;
  int stops = 0;
  int quits = 0;
  int reopens = 0;
  int taken = 0;
  int gone = 0;
  std::string parts;
  std::string status_text = "x";
};

class Served {
 public:
  explicit Served(ControlSocket::Patience patience = {}) : patience_(patience) {
    REQUIRE(reactor_.open().ok());
    open_again();
    REQUIRE(open() == "");
  }

  void open_again() { control_.emplace(reactor_, log_, commands, patience_); }
  std::string open() { return control_->open({testing::unix_address(path()), {.mode = 0600}}); }
  std::string path() const { return folder_.file("control.sock"); }
  ControlSocket& control() { return *control_; }
  Descriptor client() {
    Descriptor fd(sys::stream_socket(AF_UNIX));
    REQUIRE(sys::connect(fd.get(), testing::unix_address(path())) == 0);
    return fd;
  }
  // Turns until `condition` holds; false where it does not in time.
  template <class Condition>
  bool turn_until(Condition condition) {
    const uint64_t deadline_ms = sys::monotonic_ms() + testing::patience_ms;
    while (!condition()) {
      if (sys::monotonic_ms() > deadline_ms) return false;
      reactor_.turn(5);
    }
    return true;
  }
  // What comes up to a line's end, or to the connection's.
  std::string answer(const Descriptor& client) {
    std::string text;
    turn_until([&] {
      char piece[512];
      const ssize_t got = sys::recv(client.get(), piece, sizeof piece);
      if (got > 0) text.append(piece, static_cast<size_t>(got));
      return (got != -EAGAIN && got <= 0) || text.ends_with('\n');
    });
    return text;
  }
  std::string ask(const Descriptor& client, const std::string& line) {
    send_text(client.get(), line);
    return answer(client);
  }
  bool closes(const Descriptor& client) {
    return turn_until([&] {
      char byte = 0;
      const ssize_t got = sys::recv(client.get(), &byte, 1);
      return got == 0 || (got < 0 && got != -EAGAIN);
    });
  }
  // What the error log has from here on, and what it had by then.
  void write_log() { log_.error_sink.use({sys::open_for_append(log_path().c_str()), false}); }
  std::string logged() {
    log_.flush();
    return testing::content_of(log_path());
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) reactor_.turn(1);
  }

  Commands commands;

 private:
  std::string log_path() const { return folder_.file("log"); }

  testing::TemporaryFolder folder_;
  Reactor reactor_;
  Log log_;
  ControlSocket::Patience patience_;
  std::optional<ControlSocket> control_;
};

TEST_CASE("control socket: commands reach their object, one answer a line") {
  Served served;
  const Descriptor client = served.client();
  CHECK(served.ask(client, "reopen\n") == done);
  CHECK(served.ask(client, "reopen\n") == "{\"ok\":false,\"errors\":[\"no such folder\"]}\n");
  CHECK(served.ask(client, "status\r\n") == "{\"ok\":true,\"text\":\"x\"}\n");
  CHECK(served.ask(client, "rload\n").find("did you mean \\\"reload\\\"?") != std::string::npos);
  CHECK(served.commands.reopens == 2);
  CHECK(served.ask(client, "quit\n") == done);
  CHECK(served.commands.quits == 1);
  CHECK(served.ask(served.client(), "stop\n") == done);
  CHECK(served.commands.stops == 1);
}

TEST_CASE("control socket: requests in any pieces, several at once, the last without a line feed") {
  Served served;
  const Descriptor client = served.client();
  for (const char byte : std::string("reopen")) {
    send_text(client.get(), {byte});
    served.turns(2);
  }
  CHECK(served.commands.reopens == 0);
  CHECK(served.ask(client, "\nstatus\nstatus").find(done) == 0);
  sys::shutdown_write(client.get());
  std::string rest;
  REQUIRE(served.turn_until([&] {
    rest += testing::recv_text(client.get());
    return rest.find("\"x\"}\n") != std::string::npos;
  }));
  CHECK(served.closes(client));
}

TEST_CASE("control socket: parts are drained, and taken back, by their words") {
  Served served;
  const Descriptor client = served.client();
  CHECK(served.ask(client, "drain upstream u server ws://a:1 over 5s\n") == done);
  CHECK(served.ask(client, "undrain route /a\n").find("it is not drained") != std::string::npos);
  CHECK(served.ask(client, "drain\n").find("drain: a word is missing") != std::string::npos);
  CHECK(served.commands.parts == "drain upstream u server ws://a:1; undrain route /a; ");
}

TEST_CASE("control socket: a list is told in pieces, each when the one before was taken") {
  Served served;
  const Descriptor client = served.client();
  send_text(client.get(), "sessions limit=7\nstatus\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 1; }));
  const ControlTicket ticket = served.commands.tickets[0];
  const std::string piece = std::string(100'000, 'x') + "\n";
  for (int i = 1; i <= 3; ++i) {
    served.control().tell(ticket, piece);
    CHECK(served.answer(client) == piece);
    REQUIRE(served.turn_until([&] { return served.commands.taken == i; }));
  }
  served.control().answer(ticket, ControlAnswer{});
  CHECK(served.answer(client).starts_with(done));  // and the status that was asked for behind it
  CHECK(served.commands.taken == 3);
  CHECK(served.commands.gone == 0);
  CHECK(served.commands.parts == "sessions 7; ");
}

TEST_CASE(
    "control socket: who goes in the midst of a list is told of, and so is who stands still") {
  Served served(ControlSocket::Patience{.request_ms = 100, .lingering_ms = 100});
  Descriptor goes = served.client();
  send_text(goes.get(), "sessions\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 1; }));
  goes.close();
  CHECK(served.turn_until([&] { return served.commands.gone == 1; }));
  served.control().tell(served.commands.tickets[0], "late\n");  // nothing happens
  const Descriptor stands = served.client();
  send_text(stands.get(), "close 0-1-1\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 2; }));
  served.control().tell(served.commands.tickets[1], std::string(8 << 20, 'x') + "\n");
  CHECK(served.turn_until([&] { return served.commands.gone == 2; }));
  CHECK(served.commands.taken == 0);
}

TEST_CASE("control socket: a reload is answered when it has ended, each client its own") {
  Served served;
  const Descriptor first = served.client();
  const Descriptor second = served.client();
  send_text(first.get(), "reload\nstatus\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 1; }));
  send_text(second.get(), "reload\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 2; }));
  served.turns(5);
  CHECK(testing::recv_text(first.get()).empty());  // the next request waits for the answer, too
  served.control().answer(served.commands.tickets[1], {false, {"a.conf:1: bad"}, {"odd"}});
  CHECK(served.answer(second) ==
        "{\"ok\":false,\"errors\":[\"a.conf:1: bad\"],\"warnings\":[\"odd\"]}\n");
  CHECK(testing::recv_text(first.get()).empty());
  served.control().answer(served.commands.tickets[0], {});
  std::string text;
  CHECK(served.turn_until([&] {
    text += testing::recv_text(first.get());
    return text == std::string(done) + "{\"ok\":true,\"text\":\"x\"}\n";
  }));
}

TEST_CASE("control socket: whoever asked for a reload may go; a half-closed one waits") {
  Served served;
  Descriptor gone = served.client();
  const Descriptor half = served.client();
  send_text(gone.get(), "reload\n");
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 1; }));
  send_text(half.get(), "reload\n");
  sys::shutdown_write(half.get());
  REQUIRE(served.turn_until([&] { return served.commands.tickets.size() == 2; }));
  gone.close();
  served.turns(5);
  served.control().answer(served.commands.tickets[0], {});
  served.control().answer(served.commands.tickets[1], {});
  CHECK(served.answer(half) == done);
  CHECK(served.closes(half));
}

TEST_CASE("control socket: who told it to end stays until it has") {
  Served served({.request_ms = 30, .lingering_ms = 30});
  const Descriptor client = served.client();
  CHECK(served.ask(client, "stop\n") == done);
  const uint64_t until_ms = sys::monotonic_ms() + 100;
  served.turn_until([&] { return sys::monotonic_ms() > until_ms; });
  char byte = 0;
  CHECK(sys::recv(client.get(), &byte, 1) == -EAGAIN);
  served.open_again();  // the old one's end
  CHECK(sys::recv(client.get(), &byte, 1) == 0);
}

TEST_CASE("control socket: a line that is too long is refused, and what follows is not heard") {
  Served served;
  const Descriptor client = served.client();
  CHECK(served.ask(client, std::string(4096, 'x') + "\n").find("unknown command") !=
        std::string::npos);
  CHECK(served.ask(client, std::string(4097, 'x') + "\nstop\n") ==
        "{\"ok\":false,\"errors\":[\"a request is at most 4096 bytes\"]}\n");
  CHECK(served.closes(client));
  CHECK(served.commands.stops == 0);
}

TEST_CASE(
    "control socket: the silent are told and closed, whoever has asked is closed in silence") {
  Served served({.request_ms = 50, .lingering_ms = 30});
  const Descriptor silent = served.client();
  const Descriptor half = served.client();
  const Descriptor resting = served.client();
  CHECK(served.ask(resting, "reopen\n") == done);
  send_text(half.get(), "stat");
  const std::string told = "{\"ok\":false,\"errors\":[\"no whole request came within 50 ms\"]}\n";
  CHECK(served.answer(silent) == told);
  CHECK(served.answer(half) == told);
  CHECK(served.answer(resting).empty());
  for (const Descriptor* each : {&silent, &half, &resting}) CHECK(served.closes(*each));
}

TEST_CASE("control socket: who sends on after a refusal is closed before its time is over") {
  Served served({.request_ms = 10'000, .lingering_ms = 60'000});
  const Descriptor client = served.client();
  const std::string piece(16 * 1024, 'x');
  size_t sent = 0;
  CHECK(served.turn_until([&] {
    const ssize_t now = sys::send(client.get(), piece.data(), piece.size());
    sent += static_cast<size_t>(std::max<ssize_t>(now, 0));
    return now < 0 && now != -EAGAIN;
  }));
  CHECK(sent < 4'000'000);  // what was dropped, and what the kernel holds
}

TEST_CASE("control socket: who takes no answer holds nobody up and is closed") {
  Served served({.request_ms = 200, .lingering_ms = 30});
  served.write_log();
  served.commands.status_text.assign(8'000'000, 'x');
  const Descriptor slow = served.client();
  send_text(slow.get(), "status\nstop\n");
  served.turns(5);
  CHECK(served.ask(served.client(), "reopen\n") == done);
  const uint64_t until_ms = sys::monotonic_ms() + 400;
  served.turn_until([&] { return sys::monotonic_ms() > until_ms; });
  std::string queued;
  for (std::string piece; !(piece = testing::recv_text(slow.get())).empty();) queued += piece;
  CHECK(queued.size() < 8'000'000);
  CHECK(served.closes(slow));
  CHECK(served.commands.stops == 0);
  CHECK(served.logged().find("took nothing of its answer for 200 ms: its connection is closed") !=
        std::string::npos);
}

TEST_CASE("control socket: a bounded number of clients at a time") {
  Served served;
  std::vector<Descriptor> clients;
  for (size_t i = 0; i < ControlSocket::most_clients; ++i) {
    clients.push_back(served.client());
    CHECK(served.ask(clients.back(), "status\n") == "{\"ok\":true,\"text\":\"x\"}\n");
  }
  const Descriptor beyond = served.client();
  CHECK(served.answer(beyond) ==
        "{\"ok\":false,\"errors\":[\"16 others are being served, try again\"]}\n");
  CHECK(served.closes(beyond));
  clients.pop_back();
  served.turns(5);
  CHECK(served.ask(served.client(), "reopen\n") == done);
}

TEST_CASE("control socket: its file is its user's alone and goes with it") {
  Served served;
  const auto mode = std::filesystem::status(served.path()).permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  served.control().close();
  CHECK_FALSE(std::filesystem::exists(served.path()));
  served.control().close();
}

TEST_CASE("control socket: another's file stays") {
  Served served;
  std::filesystem::remove(served.path());
  const Descriptor other = testing::listening_socket(testing::unix_address(served.path()));
  served.control().close();
  CHECK(std::filesystem::exists(served.path()));
}

// What open() says of a path for a socket of its own.
std::string open_at(const std::string& path) {
  Reactor reactor;
  REQUIRE(reactor.open().ok());
  Log log;
  Commands commands;
  ControlSocket control(reactor, log, commands);
  return control.open({testing::unix_address(path), {.mode = 0600}});
}

TEST_CASE("control socket: what a dead one left is replaced, a living one is an error") {
  Served served;
  const std::string living = open_at(served.path());
  CHECK(living.find("control unix:" + served.path() + ": ") == 0);
  CHECK(living.find("listens there already; each sluice needs a control socket of its own") !=
        std::string::npos);
  CHECK(served.ask(served.client(), "reopen\n") == done);
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("a.sock");
  testing::listening_socket(testing::unix_address(path)).close();
  REQUIRE(std::filesystem::exists(path));
  CHECK(open_at(path) == "");
  CHECK_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "a file\n";
  CHECK(open_at(path) == "control unix:" + path + ": bind: Address already in use");
  CHECK(std::filesystem::file_size(path) == 7);
  CHECK(open_at(folder.file("none/a.sock")) ==
        "control unix:" + folder.file("none/a.sock") + ": bind: No such file or directory");
}

TEST_CASE("control socket: a forked child closes its copies, and the file stays") {
  Served served;
  const Descriptor client = served.client();
  CHECK(served.ask(client, "reopen\n") == done);
  const uint64_t before = sys::held_descriptors();
  const int status = testing::run_in_child([&] {
    served.control().leave_to_parent();
    return sys::held_descriptors() == before - 2 ? 0 : 1;
  });
  CHECK(sys::exit_status(status) == 0);
  CHECK(std::filesystem::exists(served.path()));
  CHECK(served.ask(client, "status\n") == "{\"ok\":true,\"text\":\"x\"}\n");
}

}  // namespace
}  // namespace sluice
