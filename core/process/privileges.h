// Privileges: which user workers become, and what else they give up before they serve.
#pragma once

#include <string>

#include "core/observe/log.h"
#include "net/result.h"
#include "net/sys_process.h"
#include "net/sys_sandbox.h"

namespace sluice {

struct WorkerUser {
  std::string name;  // "": started without root, workers stay who they are
  sys::UserIds ids;
};

// The users that workers run as where the conf names none, in this order.
inline constexpr const char* preferred_user = "sluice";
inline constexpr const char* fallback_user = "nobody";

// How messages about the user begin: "user www", or "user" where the conf names none.
std::string user_text(const std::string& wanted);

// Looks up the conf's `user` ("": the preferred one). The master does it, because it takes files,
// which workers do without. The Fault says what to do.
Result<WorkerUser> find_worker_user(const std::string& wanted);

// Confines a worker or the keeper for good: it becomes the user, with that user's groups alone, and
// gives up all capabilities, privileges by setuid files, children, core dumps, debuggers of the
// same user and its environment. With `sandbox` also all files that it has not open and all system
// calls that such a process does not need, as far as build and kernel can (core/DESIGN.md section
// 4). What it needs from files, or counts there, comes before.
Status confine(const WorkerUser& user, bool sandbox, sys::Confined whom = sys::Confined::worker);

// Tries confine() in a child, so that the master can tell once, before it listens, what would fail
// in each worker.
Status try_confinement(const WorkerUser& user, bool sandbox);

// What a sandbox lacks on this machine or in this build; "" where it is whole.
std::string sandbox_gaps();

// For the master at its start: that, and a user that other programs may share.
void tell_weak_confinement(const Config& config, const WorkerUser& user, Log& log);

// Tells of each system call once that the sandbox has refused: of a taken worker, or of one that
// the list of calls has forgotten.
void tell_refused_calls(Log& log);

}  // namespace sluice
