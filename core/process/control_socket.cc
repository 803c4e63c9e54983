// Answers go out one at a time: the next request is read when the one before is answered and the
// answer has gone, so that a client decides about no more memory than its own line.
#include "core/process/control_socket.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/process/run_folder.h"
#include "net/address_holder.h"
#include "net/printable.h"
#include "net/sys.h"
#include "net/sys_platform.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

constexpr size_t steps_a_run = 64;  // then others go first
constexpr size_t piece_bytes = 1024;
constexpr size_t most_dropped_bytes = 64 * 1024;  // of who goes on after a refusal

// What a start says that cannot listen there.
std::string complaint(const Address& address, const Fault& fault) {
  const std::string begin = "control " + address.text() + ": ";
  if (fault.error != EADDRINUSE || probe_address(address).ok()) return begin + fault.text();
  const std::string holder = holder_of(address);
  return begin + (holder.empty() ? "another process" : holder) +
         " listens there already; each sluice needs a control socket of its own";
}

std::string text_of_user(uid_t user) {
  return "user " + std::to_string(user);
}

}  // namespace

ControlSocket::ControlSocket(Reactor& reactor, Log& log, ControlCommands& commands)
    : ControlSocket(reactor, log, commands, Patience()) {}

ControlSocket::ControlSocket(Reactor& reactor, Log& log, ControlCommands& commands,
                             const Patience& patience)
    : reactor_(reactor),
      log_(log),
      commands_(commands),
      patience_(patience),
      id_(reactor.attach(*this)),
      acceptor_(reactor, *this) {}

ControlSocket::~ControlSocket() {
  close();
  clients_.for_each([this](Handle handle, Client& client) { drop(handle, client); });
}

std::string ControlSocket::open(const ControlConfig& config) {
  make_run_folder(config.address.unix_path());
  const Result<int> fd =
      open_listener(config.address, false, config.file, static_cast<uint32_t>(most_clients));
  if (!fd.ok()) return complaint(config.address, fd.fault());
  listener_ = fd.value();
  path_ = config.address.unix_path();
  file_ = sys::file_identity(path_.c_str());
  const Status watched = acceptor_.add(listener_, 0, false);
  if (watched.ok()) return "";
  close();
  return complaint(config.address, watched.fault());
}

void ControlSocket::close() {
  if (listener_ < 0) return;
  acceptor_.stop();
  sys::close(std::exchange(listener_, -1));
  // The file goes at once, before another instance can put its own there.
  if (sys::file_identity(path_.c_str()) == file_) sys::remove_socket_file(path_.c_str());
}

void ControlSocket::leave_to_parent() {
  if (listener_ >= 0) sys::close(std::exchange(listener_, -1));
  clients_.for_each([](Handle, Client& client) {
    if (client.fd >= 0) sys::close(std::exchange(client.fd, -1));
  });
}

void ControlSocket::on_accept(int fd, const Address&, uint32_t) {
  uid_t user = 0;
  const int asked = sys::peer_user(fd, user);
  if (asked < 0 || (user != 0 && user != sys::user_id())) {
    const std::string who = asked < 0 ? "somebody unknown" : text_of_user(user);
    return turn_away(fd,
                     who + " may not speak here: only root and " + text_of_user(sys::user_id()) +
                         ", whom this sluice runs as",
                     who);
  }
  if (clients_.live() >= most_clients) {
    return turn_away(fd, std::to_string(most_clients) + " others are being served, try again",
                     text_of_user(user));
  }
  const Handle handle = clients_.create(Client{.fd = fd, .user = user});
  if (const Status watched = reactor_.watch(fd, id_, handle, 0); !watched.ok()) {
    clients_.retire(handle);
    return turn_away(fd, watched.fault().text(), text_of_user(user));
  }
  arm(handle, *clients_.get(handle), patience_.request_ms);
}

// The answer finds room in a new socket.
void ControlSocket::turn_away(int fd, const std::string& why, const std::string& who) {
  const std::string text = text_of(refusal(why));
  sys::send(fd, text.data(), text.size());
  sys::close(fd);
  log_.recurring(LogLevel::warn, "control refused", "control: turned away " + who + ": " + why);
}

void ControlSocket::on_ready(Handle handle, unsigned, Readiness ready) {
  Client* const client = clients_.get(handle);
  if (client == nullptr) return;
  client->gone = client->gone || ready.hung_up || ready.failed;
  serve(handle);
}

void ControlSocket::on_run(Handle handle) {
  if (clients_.get(handle) != nullptr) serve(handle);
}

void ControlSocket::serve(Handle handle) {
  Client& client = *clients_.get(handle);
  for (size_t i = 0; i < steps_a_run; ++i) {
    const Step next = step(handle, client);
    if (next == Step::wait) return;
    if (next == Step::drop) return drop(handle, client);
  }
  reactor_.enqueue(id_, handle);
}

ControlSocket::Step ControlSocket::step(Handle handle, Client& client) {
  if (!client.out.empty()) return send_some(handle, client);
  switch (client.stage) {
    case Stage::waiting:
    case Stage::staying:
      return client.gone ? Step::drop : Step::wait;
    case Stage::leaving:
      return wave_off(client);
    case Stage::asking:
      break;
  }
  if (const std::optional<std::string> line =
          client.ended ? client.lines.last() : client.lines.next()) {
    take_line(handle, client, *line);
    return Step::go_on;
  }
  if (client.lines.oversize()) {
    refuse(handle, client,
           "a request is at most " + std::to_string(ControlLines::most_line_bytes) + " bytes");
    return Step::go_on;
  }
  return client.ended ? Step::drop : read_some(client);
}

ControlSocket::Step ControlSocket::send_some(Handle handle, Client& client) {
  const size_t left = client.out.size() - client.sent;
  const ssize_t sent = sys::send(client.fd, client.out.data() + client.sent, left);
  if (sent < 0) return sent == -EAGAIN ? Step::wait : Step::drop;
  client.sent += static_cast<size_t>(sent);
  if (client.sent < client.out.size()) return Step::go_on;
  client.out.clear();
  client.sent = 0;
  if (client.in_pieces) {
    client.timer.cancel(reactor_);
    commands_.on_taken(ControlTicket{handle});
  }
  return Step::go_on;
}

ControlSocket::Step ControlSocket::read_some(Client& client) {
  char piece[piece_bytes];
  const ssize_t got = sys::recv(client.fd, piece, sizeof piece);
  if (got < 0) return got == -EAGAIN ? Step::wait : Step::drop;
  client.ended = got == 0;
  client.lines.append({piece, static_cast<size_t>(got)});
  return Step::go_on;
}

// Reads and drops what it still sends: the answer would be lost if it were closed at once.
ControlSocket::Step ControlSocket::wave_off(Client& client) {
  sys::shutdown_write(client.fd);
  char piece[piece_bytes];
  const ssize_t got = sys::recv(client.fd, piece, sizeof piece);
  if (got > 0) client.dropped += static_cast<size_t>(got);
  if (got > 0) return client.dropped < most_dropped_bytes ? Step::go_on : Step::drop;
  return got == -EAGAIN ? Step::wait : Step::drop;
}

void ControlSocket::take_line(Handle handle, Client& client, const std::string& line) {
  client.asked = true;
  arm(handle, client, patience_.request_ms);
  const ControlRequest request = parse_control_request(line);
  if (!request.command) {
    client.out = text_of(refusal(request.wrong));
    return;
  }
  note(client, *request.command, line);
  perform(handle, client, request);
}

// What changes something is told with its words.
void ControlSocket::note(const Client& client, ControlCommand command, const std::string& line) {
  const bool asks_only = command == ControlCommand::status || command == ControlCommand::sessions;
  log_.error(asks_only ? LogLevel::debug : LogLevel::notice,
             "control: " + printable(line) + ", as " + text_of_user(client.user) + " asks");
}

void ControlSocket::wait(Client& client, bool in_pieces) {
  client.stage = Stage::waiting;
  client.in_pieces = in_pieces;
  client.timer.cancel(reactor_);
}

void ControlSocket::perform(Handle handle, Client& client, const ControlRequest& request) {
  const ControlCommand command = *request.command;
  switch (command) {
    case ControlCommand::reload:
      wait(client, false);
      return commands_.reload(ControlTicket{handle});
    case ControlCommand::sessions:
      wait(client, true);
      return commands_.sessions(ControlTicket{handle}, request.sessions);
    case ControlCommand::close:
      wait(client, true);
      return commands_.close_session(ControlTicket{handle}, request.close);
    case ControlCommand::trace:
      wait(client, true);
      return commands_.trace(ControlTicket{handle}, request.trace);
    case ControlCommand::stop:
    case ControlCommand::quit:
      client.stage = Stage::staying;
      client.timer.cancel(reactor_);
      client.out = text_of(ControlAnswer{});
      return command == ControlCommand::stop ? commands_.stop() : commands_.quit();
    case ControlCommand::reopen:
      client.out = text_of(commands_.reopen());
      return;
    case ControlCommand::drain:
      client.out = text_of(commands_.drain(request.drain));
      return;
    case ControlCommand::undrain:
      client.out = text_of(commands_.undrain(request.undrain));
      return;
    case ControlCommand::status:
      Json status;
      status["ok"] = true;
      commands_.tell_status(status);
      client.out = line_of(status) + "\n";
      return;
  }
}

void ControlSocket::answer_with(ControlTicket ticket, std::string text) {
  Client* const client = clients_.get(ticket.client);
  if (client == nullptr) return;
  SLUICE_CHECK(client->stage == Stage::waiting && client->out.empty());
  client->stage = Stage::asking;
  client->in_pieces = false;
  client->out = std::move(text);
  arm(ticket.client, *client, patience_.request_ms);
  reactor_.enqueue(id_, ticket.client);
}

void ControlSocket::tell(ControlTicket ticket, std::string lines) {
  Client* const client = clients_.get(ticket.client);
  if (client == nullptr) return;
  SLUICE_CHECK(client->in_pieces && client->out.empty());
  client->out = std::move(lines);
  arm(ticket.client, *client, patience_.request_ms);
  reactor_.enqueue(id_, ticket.client);
}

void ControlSocket::refuse(Handle handle, Client& client, const std::string& why) {
  client.out = text_of(refusal(why));
  client.stage = Stage::leaving;
  arm(handle, client, patience_.lingering_ms);
}

void ControlSocket::note_untaken(const Client& client) {
  log_.recurring(LogLevel::warn, "control answer",
                 "control: " + text_of_user(client.user) + " took nothing of " +
                     (client.in_pieces ? "what it asked for" : "its answer") + " for " +
                     std::to_string(patience_.request_ms) + " ms: its connection is closed");
}

// Whoever asked before and rests now is closed in silence.
void ControlSocket::on_timer(Handle handle, unsigned) {
  Client* const client = clients_.get(handle);
  if (client == nullptr) return;
  client->timer.expired();
  const bool silent = client->lines.empty() && client->asked;
  if (!client->out.empty() && client->stage != Stage::leaving) note_untaken(*client);
  if (client->stage != Stage::asking || !client->out.empty() || silent) {
    return drop(handle, *client);
  }
  refuse(handle, *client,
         "no whole request came within " + std::to_string(patience_.request_ms) + " ms");
  serve(handle);
}

// Reads the clock anew: what was asked for may have taken long.
void ControlSocket::arm(Handle handle, Client& client, uint64_t delay_ms) {
  reactor_.update_clock();
  client.timer.arm(reactor_, id_, handle, delay_ms);
}

void ControlSocket::drop(Handle handle, Client& client) {
  if (client.in_pieces) commands_.on_gone(ControlTicket{handle});
  client.timer.cancel(reactor_);
  if (client.fd >= 0) {
    reactor_.unwatch(client.fd);
    sys::close(client.fd);
  }
  clients_.retire(handle);
}

}  // namespace sluice
