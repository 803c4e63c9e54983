// Privileges over sys.
#include "core/process/privileges.h"

#include "net/check.h"
#include "net/sys_platform.h"

namespace sluice {

namespace {

Status done_or(const char* what, int answer) {
  if (answer < 0) return Fault{what, -answer};
  return Done{};
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

Status confine(const WorkerUser& user) {
  if (!user.name.empty()) {
    if (const Status became = sys::become_user(user.ids); !became.ok()) return became;
  }
  sys::forget_environment();
  if (const Status done = done_or("no_new_privs", sys::forbid_new_privileges()); !done.ok()) {
    return done;
  }
  // A sanitizer starts a child for its report, which looks into the worker as a debugger does.
  if (sanitized) return Done{};
  if (const Status done = done_or("RLIMIT_NPROC", sys::forbid_children()); !done.ok()) return done;
  return done_or("RLIMIT_CORE", sys::forbid_dumps());
}

Status try_confinement(const WorkerUser& user) {
  return sys::try_in_child([&user] { return confine(user); });
}

}  // namespace sluice
