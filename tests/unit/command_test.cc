// `sluice -s`: the exit status, by what answers at the control socket or lives behind a pid file;
// tests/integration/control_test.py has the words.
#include "core/process/command.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <cerrno>
#include <fstream>

#include "core/conf/machine_inputs.h"
#include "tests/unit/process_testing.h"

namespace sluice {
namespace {

using testing::Child;
using testing::Descriptor;

constexpr CommandPatience short_patience{.answer_ms = 300, .reload_ms = 300, .end_ms = 300};

class Place {
 public:
  std::string control() const { return folder_.file("control.sock"); }
  std::string pid_file() const { return folder_.file("sluice.pid"); }
  void write_pid(const std::string& text) const { std::ofstream(pid_file()) << text; }
  // What `sluice -s` returns with a conf of these lines.
  int run(ControlCommand command, const std::string& lines,
          const CommandPatience& patience = short_patience,
          const std::string& arguments = "") const {
    const std::string conf = folder_.file("sluice.conf");
    std::ofstream(conf) << lines << "\nlisten 127.0.0.1:1\nroute /\n proxy_pass ws://127.0.0.1:1\n";
    MachineInputs inputs;
    return send_command(command, arguments, conf, inputs, patience);
  }
  int by_socket(ControlCommand command) const { return run(command, "control unix:" + control()); }
  int by_pid(ControlCommand command) const { return run(command, "pid_file " + pid_file()); }

 private:
  testing::TemporaryFolder folder_;
};

// Answers one request at that path, with `answer`, and closes after `stays_ms`.
Child answering(const Place& place, const std::string& answer, int stays_ms = 0) {
  const Descriptor listener = testing::listening_socket(testing::unix_address(place.control()));
  return Child([&] {
    sys::wait_readable(listener.get(), testing::patience_ms);
    Address peer;
    const int fd = sys::accept(listener.get(), peer);
    sys::wait_readable(fd, testing::patience_ms);
    char request[64];
    if (sys::recv(fd, request, sizeof request) <= 0) return 1;
    sys::send(fd, answer.data(), answer.size());
    sys::wait_readable(-1, stays_ms);
    return 0;
  });
}

TEST_CASE("command: the exit status is the answer's") {
  const Place place;
  const struct {
    const char* answer;
    int status;
  } cases[] = {
      {"{\"ok\":true}\n", 0},
      {"{\"ok\":true,\"warnings\":[\"odd\"],\"more\":{}}\n", 0},
      {"{\"ok\":false,\"errors\":[\"x.conf:1: bad\"]}\n", 1},
      {"HTTP/1.1 400 Bad Request\r\n\r\n", 1},
      {"", 1},
  };
  for (const auto& each : cases) {
    CAPTURE(each.answer);
    Child server = answering(place, each.answer);
    CHECK(place.by_socket(ControlCommand::reload) == each.status);
    CHECK(server.wait() == 0);
    sys::remove_socket_file(place.control().c_str());
  }
}

TEST_CASE("command: stop waits for the end, quit does not") {
  const Place place;
  Child ends = answering(place, "{\"ok\":true}\n", 50);
  CHECK(place.by_socket(ControlCommand::stop) == 0);
  CHECK(ends.wait() == 0);
  sys::remove_socket_file(place.control().c_str());
  {
    const Child stays = answering(place, "{\"ok\":true}\n", testing::patience_ms);
    CHECK(place.by_socket(ControlCommand::stop) == 1);
  }
  sys::remove_socket_file(place.control().c_str());
  const Child stays = answering(place, "{\"ok\":true}\n", testing::patience_ms);
  CHECK(place.by_socket(ControlCommand::quit) == 0);
}

TEST_CASE("command: a list that breaks off is told as such, not as done") {
  const Place place;
  for (const char* answer :
       {"{\"id\":\"0-x-1\"}\n", "{\"id\":\"0-x-1\"}\n{\"id\":\"0-x-", "{\"ok\":tr"}) {
    CAPTURE(answer);
    Child server = answering(place, answer);
    CHECK(place.by_socket(ControlCommand::sessions) == 1);
    CHECK(server.wait() == 0);
    sys::remove_socket_file(place.control().c_str());
  }
}

TEST_CASE("command: an answer without end is not taken in") {
  constexpr size_t most_taken = 8 * most_answer_line_bytes;  // sockets hold some of it
  const Place place;
  const Descriptor listener = testing::listening_socket(testing::unix_address(place.control()));
  Child server([&listener] {
    sys::wait_readable(listener.get(), testing::patience_ms);
    Address peer;
    const int fd = sys::accept(listener.get(), peer);
    const std::string text(4096, '[');
    for (size_t taken = 0; taken < most_taken;) {
      const ssize_t sent = sys::send(fd, text.data(), text.size());
      if (sent < 0 && sent != -EAGAIN) return 0;  // it has gone
      if (sent < 0) sys::wait_readable(-1, 1);
      if (sent > 0) taken += static_cast<size_t>(sent);
    }
    return 1;
  });
  const CommandPatience patience{.answer_ms = testing::patience_ms};
  CHECK(place.run(ControlCommand::status, "control unix:" + place.control(), patience) == 1);
  CHECK(server.wait() == 0);
}

TEST_CASE("command: silence is not waited for without end") {
  const Place place;
  const Descriptor silent = testing::listening_socket(testing::unix_address(place.control()));
  CHECK(place.by_socket(ControlCommand::status) == 1);
  CHECK(place.by_socket(ControlCommand::reload) == 1);
}

TEST_CASE("command: signals, where there is only a pid file") {
  const struct {
    ControlCommand command;
    int signal;
  } cases[] = {{ControlCommand::reload, SIGHUP},
               {ControlCommand::quit, SIGQUIT},
               {ControlCommand::reopen, SIGUSR1},
               {ControlCommand::stop, SIGTERM}};
  const Place place;
  for (const auto& each : cases) {
    CAPTURE(each.signal);
    Child target([&place] {
      const int pipe = sys::signal_pipe({SIGHUP, SIGQUIT, SIGUSR1, SIGTERM});
      place.write_pid(std::to_string(sys::process_id()) + "\n");
      sys::wait_readable(pipe, testing::patience_ms);
      sys::remove_file(place.pid_file().c_str());  // it stays a zombie for a while
      return sys::next_signal(pipe);
    });
    REQUIRE(
        testing::comes_true([&] { return testing::content_of(place.pid_file()).ends_with('\n'); }));
    CHECK(place.by_pid(each.command) == 0);
    CHECK(target.wait() == each.signal);
  }
}

TEST_CASE("command: a pid file that names nobody sends no signal") {
  const Place place;
  CHECK(place.by_pid(ControlCommand::stop) == 1);  // there is none
  for (const char* text : {"", "\n", "x\n", "0\n", "-1\n", "1\n", "12 13\n", "99999999999\n"}) {
    CAPTURE(text);
    place.write_pid(text);
    CHECK(place.by_pid(ControlCommand::stop) == 1);
  }
  Child dead([] { return 0; });
  place.write_pid(std::to_string(dead.pid()) + "\n");
  CHECK(dead.wait() == 0);
  CHECK(place.by_pid(ControlCommand::stop) == 1);
}

TEST_CASE("command: nobody at the control socket") {
  const Place place;
  CHECK(place.by_socket(ControlCommand::stop) == 1);
  testing::listening_socket(testing::unix_address(place.control())).close();
  CHECK(place.by_socket(ControlCommand::stop) == 1);
  // One that was started before its conf named the socket is found by its pid file.
  Child target([] {
    const int pipe = sys::signal_pipe({SIGUSR1});
    sys::wait_readable(pipe, testing::patience_ms);
    return sys::next_signal(pipe);
  });
  const std::string both = "control unix:" + place.control() + "\npid_file " + place.pid_file();
  place.write_pid(std::to_string(target.pid()) + "\n");
  sys::wait_readable(-1, 50);
  CHECK(place.run(ControlCommand::status, both) == 1);
  CHECK(place.run(ControlCommand::reopen, both) == 0);
  CHECK(target.wait() == SIGUSR1);
}

TEST_CASE("command: a bad conf, and one that names nothing") {
  const Place place;
  Child target([] {
    const int pipe = sys::signal_pipe({SIGHUP, SIGTERM});
    sys::wait_readable(pipe, testing::patience_ms);
    return sys::next_signal(pipe);
  });
  sys::wait_readable(-1, 50);
  place.write_pid(std::to_string(target.pid()) + "\n");
  const std::string bad = "pid_file " + place.pid_file() + "\nnonsense";
  CHECK(place.run(ControlCommand::reload, bad) == 1);
  CHECK(target.running());
  CHECK(place.run(ControlCommand::stop, bad, {.end_ms = 0}) >= 0);
  CHECK(target.wait() == SIGTERM);
  CHECK(place.run(ControlCommand::stop, "") == 1);
}

}  // namespace
}  // namespace sluice
