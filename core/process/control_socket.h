// ControlSocket: where whoever runs this sluice tells it what to do, and hears what came of it. It
// knows who may speak and how long that may take; what a command does is its ControlCommands'.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/observe/json.h"
#include "core/observe/log.h"
#include "core/process/control_request.h"
#include "core/session/one_timer.h"
#include "net/listener.h"
#include "net/pool.h"
#include "net/reactor.h"

namespace sluice {

// Whose request it is that is answered later.
struct ControlTicket {
  Handle client;
};

// What the commands do. Calls come from the reactor's turn and must not block.
class ControlCommands {
 public:
  virtual ~ControlCommands() = default;
  // Reads the conf anew. Each ticket is given to ControlSocket::answer() once, in this call or when
  // a reload has ended that began after it: an earlier one may have read an older file. Several may
  // wait at a time, most_clients at most.
  virtual void reload(ControlTicket ticket) = 0;
  // Ends the process soon, or with the last session. A second call changes nothing.
  virtual void stop() = 0;
  virtual void quit() = 0;
  virtual ControlAnswer reopen() = 0;
  virtual ControlAnswer drain(const DrainRequest& request) = 0;
  virtual ControlAnswer undrain(const NamedPart& part) = 0;
  // What they tell is told in pieces, by ControlSocket::tell(), each when on_taken() says that the
  // client has the one before; then the ticket is given to answer() once. All in this call or
  // later.
  virtual void sessions(ControlTicket ticket, const SessionsRequest& request) = 0;
  virtual void close_session(ControlTicket ticket, const CloseRequest& request) = 0;
  virtual void trace(ControlTicket ticket, const TraceRequest& request) = 0;
  virtual void on_taken(ControlTicket ticket) = 0;
  // Nothing more is wanted for that ticket: its client is gone.
  virtual void on_gone(ControlTicket ticket) = 0;
  // Adds members to the object.
  virtual void tell_status(Json& status) = 0;
};

// The master's; a worker closes what it inherits of it. Only root and the user that this process
// runs as are heard, whatever the file's mode says.
class ControlSocket final : public EventHandler, private AcceptSink {
 public:
  static constexpr size_t most_clients = 16;  // at a time; each has 5 KiB and an answer at most
  // How long clients may take; tests shorten it.
  struct Patience {
    uint64_t request_ms = 10'000;   // for a request, and to take its answer
    uint64_t lingering_ms = 1'000;  // to read why nothing more is heard
  };

  // All three outlive it.
  ControlSocket(Reactor& reactor, Log& log, ControlCommands& commands);
  ControlSocket(Reactor& reactor, Log& log, ControlCommands& commands, const Patience& patience);
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  // close(), and those who wait for the process's end learn that it comes.
  ~ControlSocket() override;

  // Listens there. A socket file that nobody listens at is replaced. Returns what is wrong and what
  // to do about it, or "".
  std::string open(const ControlConfig& config);
  // Takes no more clients. Removes the file only if it is still the one that open() made.
  void close();
  // In a forked child: closes its copies. The parent goes on.
  void leave_to_parent();

  // Nothing happens where the client has gone.
  void answer(ControlTicket ticket, const ControlAnswer& answer) {
    answer_with(ticket, text_of(answer));
  }
  // The same with the answer's text, a line that ends in a line feed.
  void answer_with(ControlTicket ticket, std::string text);
  // A piece of what comes before the answer, whole lines; not before on_taken() for the last one.
  void tell(ControlTicket ticket, std::string lines);

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override { clients_.sweep(); }

 private:
  //  asking <-> waiting (for a ticket's answer)
  //  asking  -> staying (until the process ends), leaving (reads why, nothing more is heard)
  enum class Stage : uint8_t { asking, waiting, staying, leaving };
  enum class Step : uint8_t { go_on, wait, drop };

  struct Client {
    int fd = -1;
    uid_t user = 0;
    Stage stage = Stage::asking;
    bool asked = false;      // it made a request
    bool in_pieces = false;  // waiting: it is told several
    bool ended = false;      // it sends nothing more
    bool gone = false;       // it reads nothing more either
    ControlLines lines{};
    std::string out{};  // an answer of which `sent` bytes have gone
    size_t sent = 0;
    size_t dropped = 0;  // bytes that came after it was told that nothing more is heard
    OneTimer timer{};
  };

  void on_accept(int fd, const Address& client, uint32_t listener) override;
  void turn_away(int fd, const std::string& why, const std::string& who);
  void serve(Handle handle);
  Step step(Handle handle, Client& client);
  Step send_some(Handle handle, Client& client);
  Step read_some(Client& client);
  Step wave_off(Client& client);
  void take_line(Handle handle, Client& client, const std::string& line);
  void perform(Handle handle, Client& client, const ControlRequest& request);
  void note(const Client& client, ControlCommand command, const std::string& line);
  void note_untaken(const Client& client);
  void wait(Client& client, bool in_pieces);
  void refuse(Handle handle, Client& client, const std::string& why);
  void arm(Handle handle, Client& client, uint64_t delay_ms);
  void drop(Handle handle, Client& client);

  Reactor& reactor_;
  Log& log_;
  ControlCommands& commands_;
  Patience patience_;
  Reactor::HandlerId id_;
  Acceptor acceptor_;
  Pool<Client> clients_;
  int listener_ = -1;
  std::string path_;
  sys::FileIdentity file_;
};

}  // namespace sluice
