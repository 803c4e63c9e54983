// The messages that a master sends its workers: newly opened logs (SIGUSR1), because workers need
// no file system, the keys of session tickets, because all workers share them, a new conf, what is
// drained, where servers' names lead, what acme_dir holds, and which piece of a list of sessions it
// wants. Workers answer that alone. The keeper gets files and the admin address's socket besides,
// and tells what names it found out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/process/control_channel.h"
#include "core/process/listeners.h"
#include "core/process/log_handover.h"
#include "core/process/session_pages.h"
#include "core/session/drained.h"
#include "net/result.h"
#include "tls/tickets.h"

namespace sluice {

enum class ControlKind : uint16_t {
  logs = 1,
  ticket_keys = 2,
  conf = 3,
  drains = 4,
  page_request = 5,
  page = 6,
  members = 7,
  answers = 8,
  name_files = 9,
  admin = 10,
  trace_command = 11,  // trace_messages.h
  trace_piece = 12,
  challenges = 13
};

// Ticket keys in a message. Each copy wipes what it held.
struct KeyHandover {
  explicit KeyHandover(const TicketKeys& handed_over) : keys(handed_over) {}
  KeyHandover(const KeyHandover&) = default;
  KeyHandover& operator=(const KeyHandover&) = default;
  ~KeyHandover();

  TicketKeys keys;
};

// What a conf does to a worker, besides what it says.
struct ConfTerms {
  uint32_t generation = 0;  // of confs, from 1 on
  uint32_t workers = 0;     // a worker with a higher number leaves
  uint64_t buffer_memory_bytes = 0;
  uint64_t sockets = 0;  // that go with it to that worker, in all parts
};

// One of the messages that bring a conf. The last one brings the bundle, those before it sockets
// that found no place in it. The descriptors are whoever's that holds the part.
struct ConfPart {
  static constexpr size_t most_sockets = ControlMessage::most_descriptors - 1;

  ConfTerms terms;
  uint64_t bundle_bytes = 0;  // 0: not the last one
  int bundle = -1;
  std::array<WorkerSocket, most_sockets> sockets{};
  uint32_t socket_count = 0;
};

// /etc/hosts and /etc/resolv.conf, opened for who may open no file; -1 for one that cannot be.
struct NameFiles {
  int hosts = -1;
  int resolv_conf = -1;
};

// A text in memory that whoever gets the descriptor can only read (memory_text.h).
struct PassedText {
  int fd = -1;
  size_t bytes = 0;
};

// All that is in force; of orders that are there no more an end is made.
using DrainOrders = std::vector<DrainOrder>;
// Whether one message has room for them: there are most_drains at most, and not too much text.
bool drains_fit(const DrainOrders& orders);

// Each takes the place of an earlier one that still waits. The logs' descriptors stay the caller's,
// as ControlChannel::send() says.
Status send_logs(ControlChannel& channel, const LogHandover& logs);
Status send_ticket_keys(ControlChannel& channel, const TicketKeys& keys);
Status send_drains(ControlChannel& channel, const DrainOrders& orders);  // which fit
// Both sides' descriptors stay the caller's, as ControlChannel::send() says.
Status send_members(ControlChannel& channel, const PassedText& text);     // for members_from()
Status send_challenges(ControlChannel& channel, const PassedText& text);  // for challenges_from()
Status send_name_files(ControlChannel& channel, const NameFiles& files);
// The listening socket of the admin address; -1: there is none.
Status send_admin(ControlChannel& channel, int fd);
// A keeper's: so many bytes wait in the memory that it shares with its master (answer_memory.h).
// Returns the message's sequence number.
Result<uint32_t> send_answers(ControlChannel& channel, size_t bytes);
// Sends all parts, and counts terms.sockets. The descriptors stay the caller's, until the last part
// is acknowledged.
Status send_conf(ControlChannel& channel, const ConfTerms& terms,
                 std::span<const WorkerSocket> sockets, int bundle, size_t bundle_bytes);

// Each is sent once for each page. The text of a request is short enough where it came as a line of
// the control socket.
Status send_page_request(ControlChannel& channel, const PageRequest& request);
Status send_page(ControlChannel& channel, const Page& page);

// What a message of that kind says; nullopt where it is of another kind or malformed. The
// descriptors become the caller's.
std::optional<LogHandover> read_logs(ControlMessage& message);
std::optional<KeyHandover> read_ticket_keys(const ControlMessage& message);
std::optional<DrainOrders> read_drains(const ControlMessage& message);
std::optional<PageRequest> read_page_request(const ControlMessage& message);
std::optional<Page> read_page(const ControlMessage& message);
std::optional<PassedText> read_members(ControlMessage& message);
std::optional<PassedText> read_challenges(ControlMessage& message);
std::optional<NameFiles> read_name_files(ControlMessage& message);
std::optional<int> read_admin(ControlMessage& message);
std::optional<size_t> read_answers(const ControlMessage& message);
std::optional<ConfPart> read_conf_part(ControlMessage& message);

}  // namespace sluice
