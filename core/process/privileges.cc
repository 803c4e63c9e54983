// Privileges over sys.
#include "core/process/privileges.h"

#include <cerrno>

#include "net/check.h"
#include "net/sys_platform.h"
#include "net/sys_sandbox.h"

namespace sluice {

namespace {

Status done_or(const char* what, int answer) {
  if (answer < 0) return Fault{what, -answer};
  return Done{};
}

Status enter_sandbox(sys::Confined whom) {
  if (sys::can_forbid_files()) {
    if (const Status done = done_or("Landlock", sys::forbid_files()); !done.ok()) return done;
  }
  if (!sys::can_filter_calls()) return Done{};
  return done_or("seccomp", sys::filter_calls(whom));
}

}  // namespace

std::string user_text(const std::string& wanted) {
  return wanted.empty() ? "user" : "user " + wanted;
}

Result<WorkerUser> find_worker_user(const std::string& wanted) {
  if (!sys::is_root()) return WorkerUser{};
  if (!wanted.empty()) {
    const Result<sys::UserIds> ids = sys::find_user(wanted);
    if (!ids.ok()) return ids.fault();
    return WorkerUser{wanted, ids.value()};
  }
  for (const char* name : {preferred_user, fallback_user}) {
    if (const Result<sys::UserIds> ids = sys::find_user(name); ids.ok()) {
      return WorkerUser{name, ids.value()};
    }
  }
  return Fault{"there is neither sluice nor nobody on this machine; name another user in the conf",
               0};
}

// Each only narrows what is left, so that the ones that need a capability come first.
Status confine(const WorkerUser& user, bool sandbox, sys::Confined whom) {
  const int emptied = sys::forbid_gaining_capabilities();
  if (emptied < 0 && emptied != -EPERM) return Fault{"capability bounding set", -emptied};
  if (!user.name.empty()) {
    if (const Status became = sys::become_user(user.ids); !became.ok()) return became;
  }
  sys::forget_environment();
  if (const Status done = done_or("capset", sys::drop_capabilities()); !done.ok()) return done;
  if (const Status done = done_or("no_new_privs", sys::forbid_new_privileges()); !done.ok()) {
    return done;
  }
  // A sanitizer starts a child for its report, which looks into the worker as a debugger does.
  if (sanitized) return Done{};
  if (const Status done = done_or("RLIMIT_NPROC", sys::forbid_children()); !done.ok()) return done;
  if (const Status done = done_or("RLIMIT_CORE", sys::forbid_dumps()); !done.ok()) return done;
  return sandbox ? enter_sandbox(whom) : Done{};
}

Status try_confinement(const WorkerUser& user, bool sandbox) {
  return sys::try_in_child([&user, sandbox] { return confine(user, sandbox); });
}

std::string sandbox_gaps() {
  std::string gaps;
  if (sanitized) return "in a build with sanitizers there is none";
  if (!sys::can_filter_calls()) gaps = "their system calls are not filtered";
  if (!sys::can_forbid_files()) {
    gaps += gaps.empty() ? "" : ", ";
    gaps += "there is no Landlock to keep files from them";
  }
  return gaps;
}

void tell_weak_confinement(const Config& config, const WorkerUser& user, Log& log) {
  if (const std::string gaps = sandbox_gaps(); config.sandbox && !gaps.empty()) {
    log.error(LogLevel::notice, "the workers' sandbox has gaps: " + gaps);
  }
  if (!config.user.empty() || user.name != fallback_user) return;
  log.error(LogLevel::notice, std::string("workers run as ") + fallback_user +
                                  ", as other programs may do; a user " + preferred_user +
                                  " or the directive \"user\" keeps them apart");
}

void tell_refused_calls(Log& log) {
  for (int number = sys::next_refused_call(); number >= 0; number = sys::next_refused_call()) {
    log.error(LogLevel::error, "the sandbox refused the system call " + sys::call_name(number) +
                                   " (" + std::to_string(number) +
                                   "); told once, more of them are refused as well");
  }
}

}  // namespace sluice
