// AdminServer: the keeper's side of the admin address: who may connect, how long that may take, and
// how much it may cost. What pages and events say is its AdminPages'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/observe/log.h"
#include "core/process/admin_request.h"
#include "core/session/one_timer.h"
#include "net/listener.h"
#include "net/pool.h"
#include "net/reactor.h"
#include "protocol/http1.h"

namespace sluice {

class AdminPages {
 public:
  virtual ~AdminPages() = default;
  // May throw std::bad_alloc.
  virtual AdminAnswer answer(const AdminRequest& request) = 0;
  // What a client is told that watches: at first, and from then on each time (server-sent events).
  virtual std::string first_event() = 0;
  virtual std::string event() = 0;
};

// One request a connection, which ends with its answer; that of a client that watches goes on.
class AdminServer final : public EventHandler, private AcceptSink {
 public:
  // At a time. Scrapers and balancers are a handful; a new client takes the place of the one that
  // has been without a whole request for longest.
  static constexpr size_t most_clients = 64;
  // Of them, those that watch. They keep their places.
  static constexpr size_t most_watchers = 16;
  // Of all answers together that wait for their readers; further clients are told 503.
  static constexpr size_t most_answer_bytes = size_t{32} << 20;
  // How long a client may take to read its answer, or an event; until then it misses those after
  // it. A scrape of Prometheus's ends after 10 s, too.
  static constexpr uint64_t answer_ms = 10'000;
  // How long a client may take to end its side when it has its answer.
  static constexpr uint64_t lingering_ms = 1'000;

  // All outlive it.
  AdminServer(Reactor& reactor, Log& log, AdminPages& pages);
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;
  ~AdminServer() override;

  // From now on accepts from that listening socket, which it owns; -1: from none. Who is connected
  // is still answered; who watches comes again.
  void listen(int fd);
  // These hold for clients that come from now on, and for those that watch; they outlive the
  // server, or the next call.
  void use(const AdminRules& rules);
  // Sends an event to each client that watches and has the one before. About once a second.
  void tell_watchers();
  size_t clients() const { return clients_.live(); }
  size_t watchers() const { return watchers_; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override { clients_.sweep(); }

 private:
  // reading --> answering --> leaving (reads what still comes, so that no RST overtakes the answer)
  //         --> watching
  enum class Stage : uint8_t { reading, answering, watching, leaving };
  enum class Step : uint8_t { go_on, wait, drop };

  struct Client {
    Client(int accepted, const Address& from, uint64_t place, const Http1Parser::Limits& limits)
        : fd(accepted), address(from), number(place), parser(Http1Parser::Role::request, limits) {}

    int fd;
    Address address;
    uint64_t number;  // of those that came
    Http1Parser parser;
    Stage stage = Stage::reading;
    bool heard = false;
    std::string out;
    size_t sent = 0;
    size_t dropped = 0;  // bytes that came behind the request
    OneTimer timer;
  };

  void on_accept(int fd, const Address& client, uint32_t listener) override;
  void on_listener_lost(uint32_t listener) override;
  std::optional<AdminAnswer> refusal_of(const Address& client);
  void turn_away(int fd, const Address& client, const AdminAnswer& answer);
  bool make_place();
  void serve(Handle handle);
  Step step(Handle handle, Client& client);
  Step read_some(Handle handle, Client& client);
  Step send_some(Handle handle, Client& client);
  Step wave_off(Client& client);
  void answer(Handle handle, Client& client, const AdminAnswer& answer, bool head_only);
  void watch(Handle handle, Client& client, bool head_only);
  bool queue(Handle handle, Client& client, std::string text);
  template <class Which>
  void end_watchers(Which which);
  void note(const Address& client, const AdminAnswer& answer);
  void drop(Handle handle);

  Reactor& reactor_;
  Log& log_;
  AdminPages& pages_;
  Reactor::HandlerId id_;
  Acceptor acceptor_;
  Pool<Client> clients_;
  const AdminRules* rules_;
  int listener_ = -1;
  uint64_t next_number_ = 0;
  size_t answer_bytes_ = 0;  // of all clients' out
  size_t watchers_ = 0;
};

}  // namespace sluice
