// ListenerSet: opening, mending and closing.
#include "core/process/listeners.h"

#include <algorithm>

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
    if (const Status bound = bind(find_or_add(each), workers); !bound.ok()) {
      complaints.push_back(listen_complaint(each.address, bound.fault()));
    }
  }
  if (!complaints.empty()) roll_back();
  return complaints;
}

void ListenerSet::roll_back() {
  for (Listener& listener : listeners_) close_from(listener, listener.adopted);
  std::erase_if(listeners_, [](const Listener& each) { return each.fds.empty(); });
}

std::vector<std::string> ListenerSet::adopt(const Config& config, uint32_t workers) {
  std::vector<std::string> complaints;
  workers_ = workers;
  for (Listener& listener : listeners_) {
    const auto wanted =
        std::find_if(config.listeners.begin(), config.listeners.end(),
                     [&](const ListenConfig& each) { return each.address == listener.address; });
    if (wanted == config.listeners.end()) {
      close_from(listener, 0);
      continue;
    }
    listener.adopted = listener.fds.size();
    if (listener.backlog != wanted->backlog) {
      listener.backlog = wanted->backlog;
      for (const int fd : listener.fds) {
        if (fd >= 0) sys::listen(fd, static_cast<int>(listener.backlog));
      }
    }
    if (listener.address.is_unix() && listener.access != wanted->socket_file) {
      listener.access = wanted->socket_file;
      const int set =
          sys::set_socket_file_access(listener.address.unix_path().c_str(), listener.access);
      if (set < 0) {
        complaints.push_back(listen_complaint(listener.address, {"mode, owner or group", -set}));
      }
    }
  }
  std::erase_if(listeners_, [](const Listener& each) { return each.fds.empty(); });
  return complaints;
}

ListenerSet::Listener& ListenerSet::find_or_add(const ListenConfig& config) {
  for (Listener& each : listeners_) {
    if (each.address == config.address) return each;
  }
  return listeners_.emplace_back(Listener{.id = config.id,
                                          .address = config.address,
                                          .access = config.socket_file,
                                          .backlog = config.backlog,
                                          .fds = {}});
}

// 0.0.0.0:80 beside our own 127.0.0.1:80, say, which will go: the probe would meet ourselves.
bool ListenerSet::have_overlapping(const Address& address) const {
  return std::any_of(listeners_.begin(), listeners_.end(), [&address](const Listener& each) {
    return !each.fds.empty() && overlap(each.address, address);
  });
}

Status ListenerSet::bind(Listener& listener, uint32_t workers) {
  const size_t wanted = listener.address.is_unix() ? 1 : workers;
  if (listener.fds.empty() && !have_overlapping(listener.address)) {
    if (const Status free = probe_address(listener.address); !free.ok()) return free;
  }
  while (listener.fds.size() < wanted) {
    listener.fds.push_back(-1);
    if (const Status opened = open_one(listener, listener.fds.size() - 1); !opened.ok()) {
      return opened;
    }
  }
  return Done{};
}

Status ListenerSet::open_one(Listener& listener, size_t number) {
  const Address& address = listener.address;
  const Result<int> fd =
      open_listener(address, !address.is_unix(), listener.access, listener.backlog);
  if (!fd.ok()) return fd.fault();
  listener.fds[number] = fd.value();
  if (address.is_unix()) listener.file = sys::file_identity(address.unix_path().c_str());
  return Done{};
}

// Closes the sockets from that number on; with the last one of a unix listener its file goes.
void ListenerSet::close_from(Listener& listener, size_t first) {
  bool open = false;
  for (size_t number = first; number < listener.fds.size(); ++number) {
    const int fd = listener.fds[number];
    if (fd < 0) continue;
    sys::close(fd);
    open = true;
  }
  listener.fds.resize(std::min(first, listener.fds.size()));
  if (!open || first > 0 || !listener.address.is_unix()) return;
  // The file goes at once, before another instance can put its own there.
  const std::string path = listener.address.unix_path();
  if (sys::file_identity(path.c_str()) == listener.file) sys::remove_socket_file(path.c_str());
}

void ListenerSet::close() {
  for (Listener& listener : listeners_) close_from(listener, 0);
  listeners_.clear();
}

std::vector<std::string> ListenerSet::mend(uint32_t worker) {
  std::vector<std::string> complaints;
  for (Listener& listener : listeners_) {
    for (size_t number = 0; number < listener.fds.size(); ++number) {
      int& fd = listener.fds[number];
      if (!belongs_to(listener, number, worker) || (fd >= 0 && sys::still_listens(fd))) continue;
      if (fd >= 0) sys::close(fd);
      fd = -1;
      if (const Status opened = open_one(listener, number); !opened.ok()) {
        complaints.push_back(listen_complaint(listener.address, opened.fault()));
      }
    }
  }
  return complaints;
}

std::vector<WorkerSocket> ListenerSet::of_worker(uint32_t worker) const {
  std::vector<WorkerSocket> sockets;
  for (const Listener& listener : listeners_) {
    for (uint32_t number = 0; number < listener.fds.size(); ++number) {
      if (!belongs_to(listener, number, worker)) continue;
      sockets.push_back({listener.id, number, listener.fds[number]});
    }
  }
  return sockets;
}

std::vector<WorkerSocket> ListenerSet::take(uint32_t worker) {
  std::vector<WorkerSocket> taken = of_worker(worker);
  for (const Listener& listener : listeners_) {
    for (size_t number = 0; number < listener.fds.size(); ++number) {
      if (!belongs_to(listener, number, worker) && listener.fds[number] >= 0) {
        sys::close(listener.fds[number]);
      }
    }
  }
  listeners_.clear();
  return taken;
}

void ListenerSet::leave_to_parent() {
  for (const Listener& listener : listeners_) {
    for (const int fd : listener.fds) {
      if (fd >= 0) sys::close(fd);
    }
  }
  listeners_.clear();
}

}  // namespace sluice
