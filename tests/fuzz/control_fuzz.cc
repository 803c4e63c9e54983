// The control channel's decoder, at the other end of which is no sluice. What arrives must be what
// a plain reading of all bytes finds, however they were cut and wherever descriptors were attached;
// receipts must be well-formed; and no descriptor may stay open.
//   byte 0  how the bytes are cut; byte 1  which pieces carry descriptors; the stream follows
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "core/process/control_channel.h"
#include "core/process/control_messages.h"
#include "core/process/trace_messages.h"
#include "net/check.h"
#include "net/sys.h"
#include "protocol/frame_codec.h"
#include "protocol/utf8.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Keep = ControlChannel::Keep;

constexpr size_t header_bytes = sizeof(ControlHeader);
constexpr size_t receipt_bytes = 8;
constexpr size_t own_messages = 6;
constexpr size_t most_piece_bytes = 2048;  // the receipts for all its messages find room

int lowest_free_descriptor() {
  const int fd = ::dup(0);
  ::close(fd);
  return fd;
}

ControlHeader header_at(std::span<const uint8_t> bytes) {
  ControlHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

// A plain reading of what was sent so far.
class Reading {
 public:
  struct Message {
    ControlHeader header;
    std::vector<uint8_t> payload;
    size_t descriptors = 0;
  };

  // Descriptors count for the message in whose header their piece begins.
  void feed(std::span<const uint8_t> piece, size_t descriptors) {
    if (descriptors > 0) attached_.emplace_back(stream_.size(), descriptors);
    stream_.insert(stream_.end(), piece.begin(), piece.end());
  }

  // The next whole message.
  std::optional<Message> next() {
    if (malformed_ || stream_.size() - at_ < header_bytes) return std::nullopt;
    Message message;
    message.header = header_at(std::span(stream_).subspan(at_));
    for (const auto& [begin, count] : attached_) {
      if (begin >= at_ && begin < at_ + header_bytes) message.descriptors += count;
    }
    const ControlHeader& header = message.header;
    const bool receipt = header.kind == 0;
    malformed_ = header.version != control_version ||
                 header.bytes > ControlChannel::most_payload_bytes ||
                 message.descriptors > header.descriptors ||
                 (receipt && (header.bytes != receipt_bytes || header.descriptors != 0));
    if (malformed_ || stream_.size() - at_ < header_bytes + header.bytes) return std::nullopt;
    const auto payload = stream_.begin() + static_cast<ptrdiff_t>(at_ + header_bytes);
    message.payload.assign(payload, payload + header.bytes);
    at_ += header_bytes + header.bytes;
    if (receipt) ++receipts_;
    return message;
  }
  bool malformed() const { return malformed_; }
  size_t receipts() const { return receipts_; }

 private:
  size_t receipts_ = 0;
  std::vector<uint8_t> stream_;
  std::vector<std::pair<size_t, size_t>> attached_;  // where a piece began, with how many
  size_t at_ = 0;
  bool malformed_ = false;
};

void close_if_open(int fd) {
  if (fd >= 0) sys::close(fd);
}

// Reads the message as a worker does. What nobody takes of it, the message closes.
void read_as_worker(ControlMessage& message) {
  if (const auto part = read_conf_part(message)) {
    SLUICE_CHECK(part->socket_count <= part->sockets.size());
    SLUICE_CHECK((part->bundle >= 0) == (part->bundle_bytes > 0));
    for (uint32_t i = 0; i < part->socket_count; ++i) {
      SLUICE_CHECK(part->sockets[i].fd >= 0);
      sys::close(part->sockets[i].fd);
    }
    close_if_open(part->bundle);
  } else if (const auto logs = read_logs(message)) {
    close_if_open(logs->error.descriptor.fd);
    close_if_open(logs->access.descriptor.fd);
  } else if (const auto orders = read_drains(message)) {
    SLUICE_CHECK(drains_fit(*orders));
    for (const DrainOrder& order : *orders) SLUICE_CHECK(order.place < most_drains);
  } else if (const auto request = read_page_request(message)) {
    SLUICE_CHECK(request->filter.value.size() <= ControlChannel::most_payload_bytes);
    const std::string& reason = request->reason;
    SLUICE_CHECK(reason.size() <= max_close_reason_bytes && (request->closes || reason.empty()));
    SLUICE_CHECK(utf8_whole_bytes({reinterpret_cast<const uint8_t*>(reason.data()),
                                   reason.size()}) == reason.size());
  } else if (const auto page = read_page(message)) {
    SLUICE_CHECK(page->text.size() <= ControlChannel::most_payload_bytes);
  } else if (const auto command = read_trace_command(message)) {
    SLUICE_CHECK(command->order.number > 0);
  } else if (const auto piece = read_trace_piece(message)) {
    SLUICE_CHECK(piece->text.size() <= ControlChannel::most_payload_bytes);
  } else if (const auto challenges = read_challenges(message)) {
    SLUICE_CHECK(challenges->fd >= 0);
    sys::close(challenges->fd);
  } else if (const auto admin = read_admin(message)) {
    close_if_open(*admin);
  } else if (!read_ticket_keys(message) && message.descriptors() > 0) {
    sys::close(message.take_descriptor());
  }
}

class Trial {
 public:
  Trial() {
    int fds[2];
    SLUICE_CHECK(sys::pair(fds) == 0);
    far_ = fds[0];
    channel_.emplace(fds[1]);
    for (size_t i = 0; i < own_messages; ++i) {
      const uint8_t text[] = {'k', 'e', 'y'};
      const auto keep = i % 2 == 0 ? Keep::latest : Keep::all;
      const auto kind = static_cast<uint16_t>(1 + i % 2);
      SLUICE_CHECK(channel_->send(kind, text, {}, keep).ok());
    }
  }
  ~Trial() {
    channel_.reset();
    sys::close(far_);
  }

  void feed(std::span<const uint8_t> piece, size_t descriptors) {
    const std::vector<int> fds(descriptors, far_);
    SLUICE_CHECK(sys::send_with_descriptors(far_, piece, fds) ==
                 static_cast<ssize_t>(piece.size()));
    reading_.feed(piece, descriptors);
    drain();
  }
  bool ended() const { return channel_->ended(); }

 private:
  void drain() {
    const size_t before = channel_->unacknowledged();
    while (std::optional<ControlMessage> message = channel_->next()) {
      const std::optional<Reading::Message> found = next_message();
      SLUICE_CHECK(found.has_value());
      const Reading::Message& wanted = *found;
      SLUICE_CHECK(message->kind() == wanted.header.kind);
      SLUICE_CHECK(message->sequence() == wanted.header.sequence);
      SLUICE_CHECK(std::equal(wanted.payload.begin(), wanted.payload.end(),
                              message->payload().begin(), message->payload().end()));
      SLUICE_CHECK(message->descriptors() == wanted.descriptors);
      read_as_worker(*message);
      channel_->acknowledge(message->sequence(), ControlChannel::Answer::taken);
      owed_.push_back(wanted.header.sequence);
    }
    if (channel_->ended() && reading_.receipts() > 0) return;  // one may be for what is not out
    SLUICE_CHECK(!next_message());
    if (channel_->ended() && reading_.receipts() > 0) return;
    SLUICE_CHECK(channel_->ended() == reading_.malformed());
    channel_->flush();
    SLUICE_CHECK(channel_->unacknowledged() <= before);
    read_receipts();
    if (channel_->ended()) return;
    SLUICE_CHECK(owed_.empty());
    channel_->retry();
    read_receipts();
  }

  // The next one that the channel gives out; those before it are receipts, or lack descriptors.
  std::optional<Reading::Message> next_message() {
    while (std::optional<Reading::Message> message = reading_.next()) {
      if (message->header.kind == 0) continue;
      if (message->descriptors == message->header.descriptors) return message;
      owed_.push_back(message->header.sequence);
    }
    return std::nullopt;
  }

  // What the channel sent: whole frames, receipts for the messages that came, in their order.
  void read_receipts() {
    std::array<uint8_t, 16 * 1024> bytes;
    const ssize_t got = sys::recv(far_, bytes.data(), bytes.size());
    size_t at = 0;
    for (const auto end = static_cast<size_t>(std::max<ssize_t>(got, 0)); at < end;) {
      SLUICE_CHECK(end - at >= header_bytes);
      const ControlHeader header = header_at(std::span(bytes).subspan(at));
      SLUICE_CHECK(header.version == control_version && header.descriptors == 0);
      at += header_bytes;
      if (header.kind == 0) {
        uint32_t sequence = 0;
        std::memcpy(&sequence, &bytes[at], sizeof sequence);
        SLUICE_CHECK(header.bytes == receipt_bytes && !owed_.empty());
        SLUICE_CHECK(sequence == owed_.front());
        owed_.erase(owed_.begin());
      } else {
        SLUICE_CHECK(header.sequence >= 1 && header.sequence <= own_messages);
      }
      at += header.bytes;
      SLUICE_CHECK(at <= end);
    }
  }

  int far_ = -1;
  std::optional<ControlChannel> channel_;
  Reading reading_;
  std::vector<uint32_t> owed_;  // sequence numbers whose receipts have not been read
};

void run(Input input) {
  const int before = lowest_free_descriptor();
  {
    const uint8_t kind = input.byte();
    const uint8_t attach = input.byte();
    const std::span<const uint8_t> stream = input.rest();
    Trial trial;
    Cut cut(kind);
    uint8_t turn = 0;
    for (size_t at = 0; at < stream.size() && !trial.ended(); ++turn) {
      const size_t size = std::min<size_t>(cut.next(stream.size() - at), most_piece_bytes);
      const bool with = (attach >> turn % 8 & 1) != 0;
      trial.feed(stream.subspan(at, size), with ? 1u + attach % 3u : 0u);
      at += size;
    }
  }
  SLUICE_CHECK(lowest_free_descriptor() == before);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
