// The header is read alone, so that descriptors are known to belong to its message, and then the
// payload: no read goes beyond the frame that it is for.
#include "core/process/control_channel.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr uint16_t receipt_kind = 0;

template <class T>
std::span<const uint8_t> bytes_of(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

// The system lacks memory, or too many descriptors or bytes are under way in it: no edge will tell
// when that has changed.
bool passes_with_time(int error) {
  return error == ETOOMANYREFS || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

ControlMessage::ControlMessage(ControlMessage&& other) noexcept
    : header_(other.header_),
      payload_(other.payload_),
      fds_(other.fds_),
      first_(std::exchange(other.first_, 0)),
      last_(std::exchange(other.last_, 0)) {}

void ControlMessage::close_descriptors() {
  while (first_ < last_) sys::close(fds_[first_++]);
}

ControlChannel::Outgoing::Outgoing(const ControlHeader& header, std::span<const uint8_t> payload,
                                   std::span<const int> passed, Keep which)
    : kind(header.kind), sequence(header.sequence), keep(which), fds(passed.begin(), passed.end()) {
  frame.reserve(sizeof header + payload.size());  // once: no copy of keys is left behind
  frame.insert(frame.end(), bytes_of(header).begin(), bytes_of(header).end());
  frame.insert(frame.end(), payload.begin(), payload.end());
}

ControlChannel::Outgoing::~Outgoing() {
  OPENSSL_cleanse(frame.data(), frame.size());
}

ControlChannel::ControlChannel(int fd)
    : fd_(fd), payload_(std::make_unique<uint8_t[]>(most_payload_bytes)) {}

ControlChannel::~ControlChannel() {
  OPENSSL_cleanse(payload_.get(), most_payload_bytes);
  sys::close(fd_);
}

// --- sending

Result<uint32_t> ControlChannel::send(uint16_t kind, std::span<const uint8_t> payload,
                                      std::span<const int> fds, Keep keep) {
  SLUICE_CHECK(kind != receipt_kind && payload.size() <= most_payload_bytes &&
               fds.size() <= ControlMessage::most_descriptors);
  if (keep == Keep::latest) drop_replaced(kind);
  if (queue_.size() >= most_unacknowledged) return Fault{"too many control messages wait", 0};
  ControlHeader header;
  header.kind = kind;
  header.version = control_version;
  header.bytes = static_cast<uint32_t>(payload.size());
  header.sequence = ++last_sequence_;
  header.descriptors = static_cast<uint32_t>(fds.size());
  queue_.emplace_back(header, payload, fds, keep);
  flush();
  if (send_error_ != 0) return Fault{"sendmsg", send_error_};
  return header.sequence;
}

// What the next message of that kind makes needless.
void ControlChannel::drop_replaced(uint16_t kind) {
  queue_.remove_if([kind](const Outgoing& each) {
    const bool kept = each.state == Outgoing::State::begun || each.state == Outgoing::State::sent;
    return each.kind == kind && each.keep == Keep::latest && !kept;
  });
}

void ControlChannel::flush() {
  waiting_ = Waiting::nothing;
  // A frame that has begun is finished before another one begins.
  const bool all_sent = send_error_ == 0 && write_messages(Outgoing::State::begun) &&
                        write_receipts() && write_messages(Outgoing::State::waiting);
  if (send_error_ != 0) {
    queue_.clear();
    receipt_count_ = 0;
  }
  if (!all_sent) return;
  const auto refused = [](const Outgoing& each) { return each.state == Outgoing::State::refused; };
  if (std::any_of(queue_.begin(), queue_.end(), refused)) waiting_ = Waiting::time;
}

void ControlChannel::retry() {
  for (Outgoing& each : queue_) {
    if (each.state == Outgoing::State::refused) each.state = Outgoing::State::waiting;
  }
  flush();
}

// Sends those in state `from` that may go, as whole frames. Whether there was room for all.
bool ControlChannel::write_messages(Outgoing::State from) {
  for (Outgoing& each : queue_) {
    if (each.state != from || must_wait(each)) continue;
    const bool whole = write(each.frame, each.fds, each.frame_sent);
    if (each.frame_sent > 0) each.state = Outgoing::State::begun;
    if (!whole) return false;
    each.state = Outgoing::State::sent;
  }
  return true;
}

bool ControlChannel::must_wait(const Outgoing& message) const {
  if (message.keep == Keep::all || message.state != Outgoing::State::waiting) return false;
  return std::any_of(queue_.begin(), queue_.end(), [&message](const Outgoing& each) {
    return each.kind == message.kind && each.state == Outgoing::State::sent;
  });
}

bool ControlChannel::write_receipts() {
  while (receipt_count_ > 0) {
    std::array<uint8_t, sizeof(ControlHeader) + sizeof(Receipt)> frame;
    ControlHeader header;
    header.kind = receipt_kind;
    header.version = control_version;
    header.bytes = sizeof(Receipt);
    std::memcpy(frame.data(), &header, sizeof header);
    std::memcpy(frame.data() + sizeof header, &receipts_[0], sizeof(Receipt));
    if (!write(frame, {}, receipt_sent_)) return false;
    receipt_sent_ = 0;
    std::copy(receipts_.begin() + 1, receipts_.begin() + static_cast<ptrdiff_t>(receipt_count_),
              receipts_.begin());
    --receipt_count_;
  }
  return true;
}

// Goes on with a frame of which `sent` bytes went; the descriptors go with its first byte. Whether
// it went whole; else waiting_ or send_error_ says why not.
bool ControlChannel::write(std::span<const uint8_t> frame, std::span<const int> fds, size_t& sent) {
  while (sent < frame.size()) {
    const std::span<const int> attached = sent == 0 ? fds : std::span<const int>();
    const ssize_t written = sys::send_with_descriptors(fd_, frame.subspan(sent), attached);
    if (written < 0) {
      const int error = static_cast<int>(-written);
      if (error == EAGAIN) {
        waiting_ = Waiting::room;
      } else if (passes_with_time(error)) {
        waiting_ = Waiting::time;
      } else {
        send_error_ = error;
      }
      return false;
    }
    sent += static_cast<size_t>(written);
  }
  return true;
}

void ControlChannel::acknowledge(uint32_t sequence, Answer answer) {
  // An end that keeps to most_unacknowledged cannot bring this about.
  if (receipt_count_ == receipts_.size()) {
    end(EndedBy::nonsense);
    return;
  }
  receipts_[receipt_count_++] = {sequence, static_cast<uint32_t>(answer)};
  flush();
}

bool ControlChannel::unacknowledged(uint32_t sequence) const {
  return std::any_of(queue_.begin(), queue_.end(),
                     [sequence](const Outgoing& each) { return each.sequence == sequence; });
}

bool ControlChannel::awaits(uint16_t kind) const {
  return std::any_of(queue_.begin(), queue_.end(),
                     [kind](const Outgoing& each) { return each.kind == kind; });
}

// --- receiving

std::optional<ControlMessage> ControlChannel::next() {
  while (!ended()) {
    OPENSSL_cleanse(payload_.get(), std::exchange(lent_bytes_, 0));
    Step step = read_header();
    if (step == Step::whole) step = read_payload();
    if (step != Step::whole) return std::nullopt;
    incoming_.payload_ = {payload_.get(), payload_bytes_};
    lent_bytes_ = std::exchange(payload_bytes_, 0);
    header_bytes_ = 0;
    ControlMessage message = std::move(incoming_);
    if (message.kind() == receipt_kind) {
      take_receipt(message);
    } else if (message.descriptors() < message.header_.descriptors) {
      acknowledge(message.sequence(), Answer::not_now);
    } else {
      return message;
    }
  }
  return std::nullopt;
}

ControlChannel::Step ControlChannel::read_header() {
  while (header_bytes_ < header_.size()) {
    size_t count = 0;
    const ssize_t received = sys::recv_with_descriptors(
        fd_, std::span(header_).subspan(header_bytes_), incoming_.fds_.data() + incoming_.last_,
        ControlMessage::most_descriptors - incoming_.last_, count);
    incoming_.last_ += count;
    if (const Step step = advance(received, header_bytes_); step != Step::whole) return step;
  }
  ControlHeader& header = incoming_.header_;
  std::memcpy(&header, header_.data(), header_.size());
  bool good = header.version == control_version && header.bytes <= most_payload_bytes &&
              incoming_.last_ <= header.descriptors;
  if (header.kind == receipt_kind) {
    good = good && header.bytes == sizeof(Receipt) && header.descriptors == 0;
  }
  return good ? Step::whole : end(EndedBy::nonsense);
}

// Descriptors attached in the midst of a payload are the kernel's to drop.
ControlChannel::Step ControlChannel::read_payload() {
  const size_t bytes = incoming_.header_.bytes;
  while (payload_bytes_ < bytes) {
    const ssize_t received =
        sys::recv(fd_, payload_.get() + payload_bytes_, bytes - payload_bytes_);
    if (const Step step = advance(received, payload_bytes_); step != Step::whole) return step;
  }
  return Step::whole;
}

ControlChannel::Step ControlChannel::advance(ssize_t received, size_t& so_far) {
  if (received == -EAGAIN) return Step::wait;
  if (received <= 0) return end(EndedBy::peer);
  so_far += static_cast<size_t>(received);
  return Step::whole;
}

// A receipt for what was never sent, or is acknowledged already, is nonsense: taken for good, such
// ones would keep next() at work for as long as they come.
void ControlChannel::take_receipt(const ControlMessage& message) {
  Receipt receipt;
  std::memcpy(&receipt, message.payload().data(), sizeof receipt);
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&receipt](const Outgoing& each) {
    return each.sequence == receipt.sequence && each.state == Outgoing::State::sent;
  });
  if (found == queue_.end()) {
    if (send_error_ == 0) end(EndedBy::nonsense);  // else the queue was cleared
    return;
  }
  const bool replaced = found->keep == Keep::latest &&
                        std::any_of(std::next(found), queue_.end(), [&found](const Outgoing& each) {
                          return each.kind == found->kind;
                        });
  if (receipt.answer == static_cast<uint32_t>(Answer::not_now) && !replaced) {
    found->state = Outgoing::State::refused;
    found->frame_sent = 0;
  } else {
    queue_.erase(found);
  }
}

ControlChannel::Step ControlChannel::end(EndedBy what) {
  ended_by_ = what;
  incoming_.close_descriptors();
  return Step::ended;
}

}  // namespace sluice
