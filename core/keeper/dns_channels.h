// DnsChannels: asks name servers one question each and tells what came back. c-ares is behind it:
// ids, matching of answers to questions, and TCP where an answer is too long for a datagram. Who
// is asked when, how long and how often is decided elsewhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/keeper/dns_answer.h"
#include "core/names.h"
#include "net/pool.h"
#include "net/reactor.h"

struct ares_channeldata;

namespace sluice {

class DnsSink {
 public:
  virtual ~DnsSink() = default;
  // `question` and `server` as ask() got them. Once for each ask(), maybe long after anybody waits
  // for it, never from within a call of DnsChannels.
  virtual void on_dns_answer(Handle question, size_t server, DnsAnswer& answer) = 0;
};

// A channel of c-ares for each name server, because c-ares decides by itself which of a channel's
// servers it asks and when it gives one up, by settings that cannot be changed, while a new channel
// reads files, which the keeper can no longer open. So each channel asks its one server once.
//
// c-ares expects level-triggered readiness: a socket is processed again until a recv has met
// EAGAIN.
class DnsChannels final : public EventHandler {
 public:
  // An answer that has not come by then is a timeout. Who asks may stop waiting earlier.
  static constexpr uint32_t timeout_ms = 5'000;

  // Both outlive this.
  DnsChannels(Reactor& reactor, DnsSink& sink);
  DnsChannels(const DnsChannels&) = delete;
  DnsChannels& operator=(const DnsChannels&) = delete;
  // No answer comes any more.
  ~DnsChannels() override;

  // Makes all channels. c-ares reads files here and nowhere else: before privileges are given up.
  Status open();

  // The name servers from now on, most_name_servers at most; others beyond them are left out. What
  // a server was asked that is another one now fails. Throws std::bad_alloc, and may be called
  // again.
  void use(const std::vector<Address>& servers);
  size_t size() const { return size_; }
  const Address& server(size_t number) const { return channels_[number].server; }

  // Asks that server, below size(), for a name as it stands, without domains. Throws
  // std::bad_alloc, and nothing was asked.
  void ask(size_t server, const std::string& name, RecordKind kind, Handle question);
  // Questions without an answer so far.
  size_t under_way() const { return under_way_; }

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;
  void on_turn_end() override { sockets_.sweep(); }

 private:
  struct Channel {
    DnsChannels* owner = nullptr;
    ares_channeldata* ares = nullptr;
    Address server;
    bool used = false;
  };
  // What c-ares has open.
  struct Socket {
    int fd = -1;
    Channel* channel = nullptr;
    bool datagrams = false;
    bool received = false;       // in this pass
    bool drained = false;        // the latest recv met EAGAIN
    bool write_awaited = false;  // c-ares has something to send that it has not tried to send
  };
  struct Question;
  struct Calls;  // c-ares' callbacks

  bool open_channel(Channel& channel);
  void set_server(Channel& channel, const Address& server);
  Socket* socket_of(int fd);
  void process(Handle handle, bool writable);
  void settle();
  void deliver();
  void arm();

  Reactor& reactor_;
  DnsSink& sink_;
  Reactor::HandlerId id_;
  bool library_ = false;
  std::array<Channel, most_name_servers> channels_;
  size_t size_ = 0;
  Pool<Socket> sockets_;
  Question* answered_ = nullptr;  // not delivered yet; owned
  size_t under_way_ = 0;
  TimerId timer_ = 0;
};

}  // namespace sluice
