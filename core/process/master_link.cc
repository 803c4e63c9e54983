// MasterLink: each message is for the worker or for tls; a failed allocation costs that message
// alone.
#include "core/process/master_link.h"

#include <new>
#include <optional>
#include <string>
#include <utility>

#include "core/process/memory_text.h"

namespace sluice {

namespace {

constexpr uint64_t retry_ms = 250;

// For what is not vital, or comes once more.
template <class Call>
void attempt(Call call) {
  try {
    call();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

MasterLink::MasterLink(Reactor& reactor, MasterLinkSink& sink, int fd)
    : reactor_(reactor), sink_(sink), id_(reactor.attach(*this)), channel_(fd) {}

void MasterLink::on_ready(Handle, unsigned, Readiness) {
  if (channel_.ended()) return;  // kqueue tells of an end twice
  while (std::optional<ControlMessage> message = channel_.next()) read(*message);
  channel_.flush();
  retry_later();
  if (!channel_.ended()) return attempt([this] { sink_.on_link_progress(); });
  reactor_.unwatch(channel_.fd());
  attempt([this] { channel_.malformed() ? sink_.on_nonsense() : sink_.on_master_gone(); });
}

void MasterLink::read(ControlMessage& message) {
  try {
    if (const auto part = read_conf_part(message)) {
      return sink_.on_conf_part(*part, message.sequence());
    }
    if (const auto orders = read_drains(message)) {
      sink_.on_drains(*orders);
      return channel_.acknowledge(message.sequence(), ControlChannel::Answer::taken);
    }
    if (const auto text = read_members(message)) return read_members_of(*text, message.sequence());
    if (const auto text = read_challenges(message)) {
      return read_challenges_of(*text, message.sequence());
    }
    if (const auto request = read_page_request(message)) {
      if (channel_.full()) {  // its page would be lost: the request comes again
        return channel_.acknowledge(message.sequence(), ControlChannel::Answer::not_now);
      }
      sink_.on_page_request(*request);
      return channel_.acknowledge(message.sequence(), ControlChannel::Answer::taken);
    }
    if (const auto command = read_trace_command(message)) {
      sink_.on_trace_command(*command);
      return channel_.acknowledge(message.sequence(), ControlChannel::Answer::taken);
    }
    if (auto logs = read_logs(message)) {
      sink_.on_logs(std::move(*logs));
      return channel_.acknowledge(message.sequence(), ControlChannel::Answer::taken);
    }
  } catch (const std::bad_alloc&) {
    return channel_.acknowledge(message.sequence(), ControlChannel::Answer::not_now);
  }
  if (const auto files = read_name_files(message)) {
    attempt([&] { sink_.on_name_files(*files); });
  } else if (const auto admin = read_admin(message)) {
    attempt([&] { sink_.on_admin(*admin); });
  } else if (const auto handover = read_ticket_keys(message)) {
    use_ticket_keys(handover->keys);
  } else {
    attempt([&] { sink_.on_unknown(message.kind()); });
  }
  channel_.acknowledge(message.sequence(), ControlChannel::Answer::taken);
}

// Master and worker are one binary: what cannot be parsed is a fault of ours, and is told.
void MasterLink::read_members_of(const PassedText& text, uint32_t sequence) {
  const Result<std::string> bytes = take_memory_text(text.fd, text.bytes);
  if (!bytes.ok()) return channel_.acknowledge(sequence, ControlChannel::Answer::not_now);
  if (const std::optional<Members> members = members_from(bytes.value())) {
    sink_.on_members(*members);
  } else {
    sink_.on_unknown(static_cast<uint16_t>(ControlKind::members));
  }
  channel_.acknowledge(sequence, ControlChannel::Answer::taken);
}

void MasterLink::read_challenges_of(const PassedText& text, uint32_t sequence) {
  const Result<std::string> bytes = take_memory_text(text.fd, text.bytes);
  if (!bytes.ok()) return channel_.acknowledge(sequence, ControlChannel::Answer::not_now);
  if (std::optional<Challenges> challenges = challenges_from(bytes.value())) {
    sink_.on_challenges(std::move(*challenges));
  } else {
    sink_.on_unknown(static_cast<uint16_t>(ControlKind::challenges));
  }
  channel_.acknowledge(sequence, ControlChannel::Answer::taken);
}

bool MasterLink::may_tell_answers() const {
  return !channel_.ended() && !channel_.awaits(static_cast<uint16_t>(ControlKind::answers));
}

bool MasterLink::tell_answers(size_t bytes) {
  if (!send_answers(channel_, bytes).ok()) return false;
  retry_later();
  return true;
}

void MasterLink::answer_conf(uint32_t sequence, ControlChannel::Answer answer) {
  if (channel_.ended()) return;
  channel_.acknowledge(sequence, answer);
  channel_.flush();
  retry_later();
}

void MasterLink::answer_page(const Page& page) {
  if (channel_.ended()) return;
  const Status sent = send_page(channel_, page);
  if (!sent.ok()) return;  // there is room: the master is gone
  retry_later();
}

bool MasterLink::tell_trace(const TracePiece& piece) {
  if (channel_.ended() || channel_.full() || !send_trace_piece(channel_, piece).ok()) return false;
  retry_later();
  return true;
}

void MasterLink::on_timer(Handle, unsigned) {
  retry_armed_ = false;
  channel_.retry();
  retry_later();
}

// Where the system had no memory for a receipt, no edge tells when it has.
void MasterLink::retry_later() {
  if (retry_armed_ || channel_.waiting() != ControlChannel::Waiting::time) return;
  attempt([this] {
    reactor_.arm(reactor_.now_ms() + retry_ms, id_, Handle{0, 1}, 0);
    retry_armed_ = true;
  });
}

}  // namespace sluice
