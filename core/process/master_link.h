// MasterLink: a worker's end of the channel to its master.
#pragma once

#include <cstdint>
#include <span>

#include "core/process/control_channel.h"
#include "core/process/control_messages.h"
#include "core/process/name_bytes.h"
#include "core/process/trace_messages.h"
#include "core/session/challenges.h"
#include "net/reactor.h"

namespace sluice {

// Whom a worker's messages are for. Calls may throw std::bad_alloc.
class MasterLinkSink {
 public:
  virtual ~MasterLinkSink() = default;
  virtual void on_logs(LogHandover logs) = 0;
  // The descriptors become the sink's. The message is answered with answer_conf().
  virtual void on_conf_part(const ConfPart& part, uint32_t sequence) = 0;
  // These are in force from now on. The message comes again where memory was short.
  virtual void on_drains(std::span<const DrainOrder> orders) = 0;
  // Names lead there from now on. The message comes again where memory was short.
  virtual void on_members(const Members& members) = 0;
  // These are answered from now on. The message comes again where memory was short.
  virtual void on_challenges(Challenges challenges) = 0;
  // The keeper's. The descriptors become the sink's.
  virtual void on_name_files(const NameFiles& files) = 0;
  // The same; -1: there is no admin address any more.
  virtual void on_admin(int fd) = 0;
  // Something that was sent may be acknowledged.
  virtual void on_link_progress() = 0;
  // Answers with answer_page().
  virtual void on_page_request(const PageRequest& request) = 0;
  // Handshakes are to be observed, or not any more. The message comes again where memory was short.
  virtual void on_trace_command(const TraceCommand& command) = 0;
  virtual void on_unknown(uint16_t kind) = 0;
  // Nothing comes any more: the master is gone, or what it sent is no message.
  virtual void on_master_gone() = 0;
  virtual void on_nonsense() = 0;
};

class MasterLink final : public EventHandler {
 public:
  // Owns the descriptor. The others outlive it.
  MasterLink(Reactor& reactor, MasterLinkSink& sink, int fd);

  Status watch() { return reactor_.watch(channel_.fd(), id_, Handle{0, 1}, 0); }
  // Once for each conf part, as soon as its user has done with it.
  void answer_conf(uint32_t sequence, ControlChannel::Answer answer);

  // For a page request. Lost where the master is gone.
  void answer_page(const Page& page);

  // What was found of a trace. False where it cannot go now, or the master is gone.
  bool tell_trace(const TracePiece& piece);

  // A keeper's: whether the master has taken the answers before, so that others may be written
  // where they lay; and telling it that so many bytes wait (send_answers). The latter is false
  // where the master is gone.
  bool may_tell_answers() const;
  bool tell_answers(size_t bytes);

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  void read(ControlMessage& message);
  void read_members_of(const PassedText& text, uint32_t sequence);
  void read_challenges_of(const PassedText& text, uint32_t sequence);
  void retry_later();

  Reactor& reactor_;
  MasterLinkSink& sink_;
  Reactor::HandlerId id_;
  ControlChannel channel_;
  bool retry_armed_ = false;
};

}  // namespace sluice
