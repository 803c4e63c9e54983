// Privileges: whom workers become, and what else they give up before they serve anybody.
#pragma once

#include <string>

#include "net/result.h"
#include "net/sys_process.h"

namespace sluice {

struct WorkerUser {
  std::string name;  // "": started without root, workers stay who they are
  sys::UserIds ids;
};

// The users that workers run as where the conf names none, in this order.
inline constexpr const char* preferred_user = "sluice";
inline constexpr const char* fallback_user = "nobody";

// "user www", "user" where the conf names none: what messages about it begin with.
std::string user_text(const std::string& wanted);

// Looks up the conf's `user` ("": the preferred one), which needs files, so that workers need none.
// The Fault says what to do.
Result<WorkerUser> find_worker_user(const std::string& wanted);

// In a worker, for good: its user and no other group, no privileges by setuid files, no children,
// no core dumps, no debugger of the same user's, no environment.
Status confine(const WorkerUser& user);

// Whether confine() would succeed, tried in a child: what it can never do is to be told before
// anybody listens, not by each worker in turn.
Status try_confinement(const WorkerUser& user);

}  // namespace sluice
