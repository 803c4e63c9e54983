// It knows the server only by what the conf names, and lets the server judge the conf where it can.
#include "core/process/command.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/conf/conf.h"
#include "core/conf/whereabouts.h"
#include "core/process/conversation.h"
#include "core/process/session_table.h"
#include "core/process/trace_text.h"
#include "net/address.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr int poll_ms = 20;

void say(const std::string& text) {
  std::fprintf(stderr, "sluice: %s\n", text.c_str());
}

int fail(const std::string& text) {
  say(text);
  return 1;
}

void say_all(const std::vector<std::string>& warnings, const std::vector<std::string>& errors) {
  for (const std::string& warning : warnings) say("warning: " + warning);
  for (const std::string& error : errors) say(error);
}

// --- the control socket

// Prints the sessions that are told of as rows of a table. The line that ends them. `headed`:
// whether there was any.
std::string print_sessions(Conversation& conversation, uint64_t patience_ms, bool& headed) {
  headed = false;
  for (;;) {
    std::string line = conversation.answer(sys::monotonic_ms() + patience_ms);
    const std::optional<std::string> row = session_row(line);
    if (!row) return line;
    if (!headed) std::printf("%s\n", session_head().c_str());
    headed = true;
    std::printf("%s\n", row->c_str());
  }
}

// Prints the handshakes that are told of, as they come, and returns the line that ends them.
std::string print_trace(Conversation& conversation, bool& begun) {
  TraceText text;
  for (;;) {
    std::string line = conversation.answer(UINT64_MAX);
    const std::optional<std::string> rows = text.rows_of(line);
    if (!rows) return line;
    begun = true;
    std::fputs(rows->c_str(), stdout);
    std::fflush(stdout);
  }
}

// Why nothing came, or nothing more of a list of sessions that has begun.
std::string silence(const Conversation& conversation, bool begun, uint64_t patience_ms) {
  const std::string what = begun ? "the list breaks off here: " : "";
  if (conversation.ended()) {
    return what +
           "sluice closed the connection before its answer was whole, because it ended or because "
           "nobody took the answer in time; the error log says which";
  }
  return what + "nothing came within " + std::to_string(patience_ms / 1000) +
         " s; the error log tells what came of it";
}

int converse(Conversation& conversation, ControlCommand command, const std::string& arguments,
             const std::string& name, const CommandPatience& patience) {
  const uint64_t patience_ms =
      command == ControlCommand::reload ? patience.reload_ms : patience.answer_ms;
  conversation.ask(std::string(word_of(command)) + (arguments.empty() ? "" : " ") + arguments);
  const bool lists = command == ControlCommand::sessions;
  const bool traces = command == ControlCommand::trace;
  bool headed = false;
  const std::string line = lists    ? print_sessions(conversation, patience_ms, headed)
                           : traces ? print_trace(conversation, headed)
                                    : conversation.answer(sys::monotonic_ms() + patience_ms);
  const std::optional<ControlAnswer> answer = parse_control_answer(line);
  if (!answer && conversation.cut())
    return fail(name + ": " + silence(conversation, headed, patience_ms));
  if (!answer) return fail(name + ": what answers there is no sluice");
  say_all(answer->warnings, answer->errors);
  if (!answer->ok) return 1;
  if (command == ControlCommand::status) std::printf("%s\n", line.c_str());
  if (lists) say(sessions_told(line));
  if (traces) say(handshakes_told(line));
  if (command != ControlCommand::stop ||
      conversation.await_end(sys::monotonic_ms() + patience.end_ms)) {
    return 0;
  }
  return fail(name + ": it was told to stop and has not ended yet");
}

// --- signals to the process of the pid file

int signal_for(ControlCommand command) {
  switch (command) {
    case ControlCommand::reload:
      return SIGHUP;
    case ControlCommand::stop:
      return SIGTERM;
    case ControlCommand::quit:
      return SIGQUIT;
    case ControlCommand::reopen:
      return SIGUSR1;
    default:
      return 0;
  }
}

// 0 where the file holds no process id.
pid_t pid_in(const std::string& path, int& error) {
  std::string content;
  error = -sys::read_whole_file(path.c_str(), 32, content);
  const char* const begin = content.c_str();
  char* end = nullptr;
  const long pid = std::strtol(begin, &end, 10);
  const bool whole = end != begin && (*end == '\0' || std::strcmp(end, "\n") == 0);
  return whole && pid > 1 && pid <= INT32_MAX ? static_cast<pid_t>(pid) : 0;
}

// Whether a living process has that id, whoever runs it.
bool lives(pid_t pid) {
  return sys::kill(pid, 0) != -ESRCH;
}

// It removes its file at its end; its entry among the processes may stay for longer, until its
// parent asks.
bool await_end_of(pid_t pid, const std::string& pid_file, uint64_t deadline_ms) {
  int error = 0;
  while (lives(pid) && pid_in(pid_file, error) == pid) {
    if (sys::monotonic_ms() > deadline_ms) return false;
    sys::wait_readable(-1, poll_ms);
  }
  return true;
}

// Before a reload whose outcome only the log tells. False, and why, where the conf is bad.
bool check_before_reload(const std::string& conf_path, ConfInputs& inputs, pid_t pid) {
  ConfOptions options;
  options.open_files = true;
  const ConfOutcome outcome = load_conf(conf_path, options, inputs);
  for (const std::string& warning : outcome.warnings) say("warning: " + warning);
  for (const ConfError& error : outcome.errors) say(error.text());
  if (outcome.config != nullptr) return true;
  say("nothing was sent; where these errors come from this shell's environment or rights alone, "
      "kill -HUP " +
      std::to_string(pid) + " lets sluice judge the conf itself");
  return false;
}

int signal_master(ControlCommand command, const Whereabouts& found, const std::string& conf_path,
                  ConfInputs& inputs, const CommandPatience& patience) {
  int error = 0;
  const std::string name = "pid_file " + found.pid_file;
  const pid_t pid = pid_in(found.pid_file, error);
  if (error == ENOENT) return fail(name + ": there is no such file: sluice is not running");
  if (error != 0) return fail(name + ": " + std::strerror(error));
  if (pid == 0) return fail(name + " holds no process id");
  const std::string process = "process " + std::to_string(pid);
  if (!lives(pid)) return fail(name + ": " + process + " lives no more: sluice is not running");
  if (signal_for(command) == 0) {
    return fail(std::string(word_of(command)) + " needs \"control unix:/PATH\" in " + conf_path);
  }
  if (command == ControlCommand::reload && !check_before_reload(conf_path, inputs, pid)) return 1;
  const int sent = sys::kill(pid, signal_for(command));
  if (sent == -EPERM) return fail(name + ": " + process + " is another user's; try it as root");
  if (sent < 0) return fail(name + ": " + process + ": " + std::strerror(-sent));
  if (command == ControlCommand::stop) {
    if (await_end_of(pid, found.pid_file, sys::monotonic_ms() + patience.end_ms)) return 0;
    return fail(process + " was told to stop and has not ended yet");
  }
  say(process + " was sent a signal; what comes of it stands in the error log (" + found.error_log +
      ")");
  return 0;
}

// --- either of them

int without_both(const Whereabouts& found, const std::string& conf_path) {
  for (const ConfError& error : found.errors) say(error.text());
  if (found.unreadable) return fail("-c FILE names the conf that sluice was started with");
  return fail(
      conf_path +
      " names neither \"control\" nor \"pid_file\": a running sluice cannot be found by it; "
      "add \"control unix:/PATH\" and start sluice anew, or send signals to its master "
      "(sluice(8))");
}

}  // namespace

int send_command(ControlCommand command, const std::string& arguments, const std::string& conf_path,
                 ConfInputs& inputs, const CommandPatience& patience) {
  const Whereabouts found = find_whereabouts(conf_path, inputs);
  if (found.control.empty() && found.pid_file.empty()) return without_both(found, conf_path);
  if (found.control.empty()) return signal_master(command, found, conf_path, inputs, patience);
  const Address address = Address::from_unix_path(found.control).value();
  const std::string name = "control " + address.text();
  Conversation conversation;
  const int error = conversation.connect(address, sys::monotonic_ms() + patience.answer_ms);
  if (error == 0) return converse(conversation, command, arguments, name, patience);
  // One that was started before its conf named a control socket has a pid file all the same.
  int ignored = 0;
  const pid_t pid = found.pid_file.empty() ? 0 : pid_in(found.pid_file, ignored);
  const bool absent = error == ENOENT || error == ECONNREFUSED;
  if (!absent || pid == 0 || !lives(pid) || signal_for(command) == 0) {
    return fail(unreachable(name, error));
  }
  return signal_master(command, found, conf_path, inputs, patience);
}

}  // namespace sluice
