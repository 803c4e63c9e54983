// ControlChannel: one end of the socket pair that joins two processes of one sluice. Framed
// messages with descriptors travel both ways; what they mean is their users' (control_messages.h).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/result.h"

namespace sluice {

// How a frame begins, in the machine's byte order: both ends run on one machine. `bytes` of payload
// follow. The descriptors are attached to the first byte.
struct ControlHeader {
  uint16_t kind = 0;     // 0 is the channel's own: a receipt
  uint16_t version = 0;  // of the framing: control_version
  uint32_t bytes = 0;
  uint32_t sequence = 0;     // counts the messages of one sender, from 1 on; 0 in receipts
  uint32_t descriptors = 0;  // how many are attached; fewer arrive where the receiver has no room
};

inline constexpr uint16_t control_version = 1;

// A message that came. It closes the descriptors that nobody took. Its payload lies in the channel
// and is void, and wiped, from the channel's next call of next() on.
class ControlMessage {
 public:
  static constexpr size_t most_descriptors = 60;  // the kernel permits 253, net/sys 64

  ControlMessage() = default;
  ControlMessage(ControlMessage&& other) noexcept;
  ControlMessage& operator=(ControlMessage&&) = delete;
  ~ControlMessage() { close_descriptors(); }

  uint16_t kind() const { return header_.kind; }
  uint32_t sequence() const { return header_.sequence; }
  std::span<const uint8_t> payload() const { return payload_; }
  size_t descriptors() const { return last_ - first_; }  // not taken yet
  // The next one, in the order in which they were sent, which becomes the caller's; -1 where none
  // is left.
  int take_descriptor() { return first_ < last_ ? fds_[first_++] : -1; }

 private:
  friend class ControlChannel;

  void close_descriptors();

  ControlHeader header_;
  std::span<const uint8_t> payload_;
  std::array<int, most_descriptors> fds_{};
  size_t first_ = 0;
  size_t last_ = 0;
};

// For whoever has a non-blocking stream socket watched, edge-triggered: at an edge it calls next()
// until nothing comes, then flush(). Receiving and acknowledging allocate nothing. One thread.
class ControlChannel {
 public:
  static constexpr size_t most_payload_bytes = 4096;
  // Messages of one end that the other one has not acknowledged; more are a Fault of send().
  static constexpr size_t most_unacknowledged = 64;

  // `latest`: the message takes the place of an earlier one of its kind that has not begun to go,
  // and goes only when the one before it is acknowledged. So at most two of a kind are kept,
  // however long the other end stands still.
  enum class Keep : uint8_t { all, latest };
  // What the receiver says of a message. `not_now`: it lacked something; it is sent again after a
  // while, where no later one has taken its place.
  enum class Answer : uint8_t { taken, not_now };
  // What messages and receipts wait for, if any do. `room`: an edge will tell of it. `time`: what
  // the system lacks, or what the other end lacked; call retry() after a while.
  enum class Waiting : uint8_t { nothing, room, time };

  // Owns the descriptor and closes it.
  explicit ControlChannel(int fd);
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;
  ~ControlChannel();

  int fd() const { return fd_; }

  // Sends it, or keeps a copy of the payload until there is room. `kind` is 1 or more. The
  // descriptors stay the caller's, who keeps them open until the message is acknowledged or, with
  // Keep::latest, until a later one of its kind is sent. Messages of one kind arrive in their
  // order; those of another kind may overtake them. Returns the message's sequence number; a Fault
  // where the other end is gone or most_unacknowledged wait already. A payload over
  // most_payload_bytes or more than most_descriptors are the caller's fault (SLUICE_CHECK).
  Result<uint32_t> send(uint16_t kind, std::span<const uint8_t> payload, std::span<const int> fds,
                        Keep keep);
  // Sends what waits, as far as there is room.
  void flush();
  // flush(), and what the other end could not take is sent again.
  void retry();
  Waiting waiting() const { return waiting_; }

  // The next whole message; nullopt where none has come yet, or none ever will (ended()). Receipts
  // are taken in, and a message that lost descriptors on the way is answered with not_now.
  std::optional<ControlMessage> next();
  // Sends the receipt for a message, once its user has done with it what it is for.
  void acknowledge(uint32_t sequence, Answer answer);

  // Whether a message with that number is neither acknowledged nor replaced.
  bool unacknowledged(uint32_t sequence) const;
  size_t unacknowledged() const { return queue_.size(); }
  // most_unacknowledged wait.
  bool full() const { return queue_.size() >= most_unacknowledged; }
  // Whether one of that kind is.
  bool awaits(uint16_t kind) const;

  // Nothing comes any more: the other end is gone, or what it sent is no message.
  bool ended() const { return ended_by_.has_value(); }
  // The latter: a frame of another version, larger than is allowed, or a receipt for what is not
  // out.
  bool malformed() const { return ended_by_ == EndedBy::nonsense; }

 private:
  struct Receipt {
    uint32_t sequence = 0;
    uint32_t answer = 0;
  };
  // A message from send() to its receipt.
  struct Outgoing {
    enum class State : uint8_t { waiting, begun, sent, refused };

    Outgoing(const ControlHeader& header, std::span<const uint8_t> payload,
             std::span<const int> passed, Keep which);
    Outgoing(const Outgoing&) = delete;
    Outgoing& operator=(const Outgoing&) = delete;
    ~Outgoing();

    uint16_t kind;
    uint32_t sequence;
    Keep keep;
    State state = State::waiting;
    std::vector<uint8_t> frame;  // wiped: it may hold keys
    std::vector<int> fds;        // the caller's
    size_t frame_sent = 0;
  };
  enum class Step : uint8_t { whole, wait, ended };
  enum class EndedBy : uint8_t { peer, nonsense };

  bool write(std::span<const uint8_t> frame, std::span<const int> fds, size_t& sent);
  bool write_messages(Outgoing::State from);
  bool write_receipts();
  bool must_wait(const Outgoing& message) const;
  void drop_replaced(uint16_t kind);
  Step read_header();
  Step read_payload();
  Step advance(ssize_t received, size_t& so_far);
  void take_receipt(const ControlMessage& message);
  Step end(EndedBy what);

  int fd_;
  // Sending.
  std::list<Outgoing> queue_;
  std::array<Receipt, most_unacknowledged> receipts_{};
  size_t receipt_count_ = 0;
  size_t receipt_sent_ = 0;  // bytes of the first one's frame
  uint32_t last_sequence_ = 0;
  int send_error_ = 0;  // the other end is gone
  Waiting waiting_ = Waiting::nothing;
  // Receiving: a message of which header_bytes_ and payload_bytes_ have come.
  ControlMessage incoming_;
  std::array<uint8_t, sizeof(ControlHeader)> header_{};
  std::unique_ptr<uint8_t[]> payload_;
  size_t header_bytes_ = 0;
  size_t payload_bytes_ = 0;
  size_t lent_bytes_ = 0;  // of the payload of the message that next() gave out last
  std::optional<EndedBy> ended_by_;
};

}  // namespace sluice
