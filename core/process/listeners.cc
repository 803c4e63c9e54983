// ListenerSet: opening, mending and closing.
#include "core/process/listeners.h"

#include "net/address_holder.h"
#include "net/listener.h"
#include "net/sys.h"
#include "net/sys_platform.h"

namespace sluice {

std::string listen_complaint(const Address& address, const Fault& fault,
                             const std::string& unknown) {
  std::string text = "listen " + address.text() + ": " + fault.text();
  if (fault.error != EADDRINUSE) return text;
  const std::string holder = holder_of(address);
  const std::string& who = holder.empty() ? unknown : holder;
  return who.empty() ? text : text + " (" + who + ")";
}

std::vector<std::string> ListenerSet::open(const Config& config, uint32_t workers) {
  std::vector<std::string> complaints;
  for (const ListenConfig& each : config.listeners) {
    Listener& listener = listeners_.emplace_back(Listener{&each, {}, {}});
    if (const Status bound = bind(listener, workers); !bound.ok()) {
      complaints.push_back(listen_complaint(each.address, bound.fault()));
    }
  }
  if (!complaints.empty()) close();
  return complaints;
}

Status ListenerSet::bind(Listener& listener, uint32_t workers) {
  const Address& address = listener.config->address;
  if (const Status free = probe_address(address); !free.ok()) return free;
  listener.fds.assign(address.is_unix() ? 1 : workers, -1);
  for (size_t i = 0; i < listener.fds.size(); ++i) {
    if (const Status opened = open_one(listener, i); !opened.ok()) return opened;
  }
  return Done{};
}

Status ListenerSet::open_one(Listener& listener, size_t index) {
  const Address& address = listener.config->address;
  const Result<int> fd = open_listener(address, !address.is_unix(), listener.config->socket_file,
                                       listener.config->backlog);
  if (!fd.ok()) return fd.fault();
  listener.fds[index] = fd.value();
  if (address.is_unix()) listener.file = sys::file_identity(address.unix_path().c_str());
  return Done{};
}

void ListenerSet::close() {
  for (const Listener& listener : listeners_) {
    bool open = false;
    for (const int fd : listener.fds) {
      if (fd < 0) continue;
      sys::close(fd);
      open = true;
    }
    const Address& address = listener.config->address;
    if (!open || !address.is_unix()) continue;
    // The file goes at once, before another instance can put its own there.
    const std::string path = address.unix_path();
    if (sys::file_identity(path.c_str()) == listener.file) sys::remove_socket_file(path.c_str());
  }
  listeners_.clear();
}

std::vector<std::string> ListenerSet::mend(uint32_t worker) {
  std::vector<std::string> complaints;
  for (Listener& listener : listeners_) {
    const size_t index = index_of(listener, worker);
    int& fd = listener.fds[index];
    if (fd >= 0 && sys::still_listens(fd)) continue;
    if (fd >= 0) sys::close(fd);
    fd = -1;
    if (const Status opened = open_one(listener, index); !opened.ok()) {
      complaints.push_back(listen_complaint(listener.config->address, opened.fault()));
    }
  }
  return complaints;
}

std::vector<int> ListenerSet::take(uint32_t worker) {
  std::vector<int> taken;
  for (const Listener& listener : listeners_) {
    taken.push_back(listener.fds[index_of(listener, worker)]);
    for (const int fd : listener.fds) {
      if (fd >= 0 && fd != taken.back()) sys::close(fd);
    }
  }
  listeners_.clear();
  return taken;
}

}  // namespace sluice
