// A socket that stays is not opened anew: clients that are queued there lose nothing by a reload.
#include "core/process/admin_socket.h"

#include <cerrno>
#include <utility>

#include "core/process/admin_server.h"
#include "core/process/run_folder.h"
#include "net/address_holder.h"
#include "net/listener.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

std::string complaint(const Address& address, const Fault& fault) {
  const std::string begin = "admin " + address.text() + ": ";
  if (fault.error != EADDRINUSE) return begin + fault.text();
  const std::string holder = holder_of(address);
  return begin + (holder.empty() ? "another process" : holder) +
         " listens there already; give each sluice an admin address of its own";
}

}  // namespace

std::string AdminSocket::open(const std::optional<AdminConfig>& config) {
  if (!config) return "";
  const Address& address = config->address;
  if (now_.fd >= 0 && now_.config.address == address) return "";
  if (now_.fd >= 0 && overlap(now_.config.address, address)) {
    return "admin " + address.text() + ": " + now_.config.address.text() +
           " is in use for it until a reload takes another port, or admin off, first";
  }
  if (address.is_unix()) make_run_folder(address.unix_path());
  const Result<int> fd =
      open_listener(address, false, config->file, static_cast<uint32_t>(AdminServer::most_clients));
  if (!fd.ok()) return complaint(address, fd.fault());
  next_ = {*config, fd.value(), {}};
  if (address.is_unix()) next_.file = sys::file_identity(address.unix_path().c_str());
  return "";
}

void AdminSocket::adopt(const std::optional<AdminConfig>& config,
                        const std::function<void(int fd)>& hand_over) {
  if (config && now_.fd >= 0 && now_.config.address == config->address) {
    const bool changed = now_.config.file != config->file;
    now_.config = *config;
    if (changed && config->address.is_unix()) {
      sys::set_socket_file_access(config->address.unix_path().c_str(), config->file);
    }
    return;
  }
  if (now_.fd < 0 && next_.fd < 0) return;
  Listening before = std::exchange(now_, std::exchange(next_, {}));
  hand_over(now_.fd);
  close(before);
}

void AdminSocket::close() {
  close(now_);
  close(next_);
}

void AdminSocket::close(Listening& listening) {
  if (listening.fd < 0) return;
  sys::close(std::exchange(listening.fd, -1));
  if (!listening.config.address.is_unix()) return;
  // The file goes at once, before another instance can put its own there.
  const std::string path = listening.config.address.unix_path();
  if (sys::file_identity(path.c_str()) == listening.file) sys::remove_socket_file(path.c_str());
}

int AdminSocket::take() {
  return std::exchange(now_.fd, -1);
}

void AdminSocket::leave_to_parent() {
  if (now_.fd >= 0) sys::close(std::exchange(now_.fd, -1));
}

}  // namespace sluice
