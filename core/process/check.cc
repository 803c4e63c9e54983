// It warns and does not fail: the machine may be another one by the time of the start.
#include "core/process/check.h"

#include <cerrno>

#include "core/process/listeners.h"
#include "core/process/privileges.h"
#include "net/listener.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

// Calls visit(upstream's name, peer's name, errno value) for each unix socket that cannot be used.
template <class Visit>
void for_each_closed_socket(const Config& config, Visit visit) {
  for (const UpstreamConfig& upstream : config.upstreams) {
    for (const PeerConfig& peer : upstream.peers) {
      if (!peer.address.is_unix()) continue;
      const int error = -sys::may_write(peer.address.unix_path().c_str());
      if (error != 0) visit(upstream.name, peer.name, error);
    }
  }
}

}  // namespace

std::vector<std::string> check_machine(const Config& config) {
  std::vector<std::string> warnings;
  for (const ListenConfig& listener : config.listeners) {
    const Status free = probe_address(listener.address);
    if (free.ok()) continue;
    warnings.push_back(listen_complaint(listener.address, free.fault(),
                                        "by a running sluice, where it runs already"));
  }
  for_each_closed_socket(
      config, [&](const std::string& upstream, const std::string& peer, int error) {
        if (sys::is_root() && error != ENOENT) return;  // check_as_user() asks again
        warnings.push_back("upstream " + upstream + ": peer " + Fault{peer.c_str(), error}.text());
      });
  return warnings;
}

std::vector<std::string> check_as_user(const Config& config) {
  std::vector<std::string> warnings;
  if (!sys::is_root()) return warnings;
  const Result<WorkerUser> found = find_worker_user(config.user);
  const std::string user = found.ok() ? found.value().name : config.user;
  const Status became = found.ok() ? sys::become_user(found.value().ids) : found.fault();
  if (!became.ok()) {
    warnings.push_back(user_text(user) + ": " + became.fault().text());
    return warnings;
  }
  sys::drop_capabilities();  // as workers do: they would open what the user may not
  for_each_closed_socket(
      config, [&](const std::string& upstream, const std::string& peer, int error) {
        if (error == ENOENT) return;
        warnings.push_back("upstream " + upstream + ": user " + user + " may not connect to peer " +
                           Fault{peer.c_str(), error}.text());
      });
  return warnings;
}

}  // namespace sluice
