// Logs are packed (log_handover.h), everything else is its own bytes: both ends are one program.
#include "core/process/control_messages.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/process/message_parts.h"
#include "net/check.h"
#include "protocol/close_code.h"
#include "protocol/frame_codec.h"
#include "protocol/utf8.h"

namespace sluice {

namespace {

// A part of a conf: this, then a SocketName for each of its sockets.
struct ConfHead {
  ConfTerms terms;
  uint64_t bundle_bytes = 0;
  uint64_t sockets = 0;
};
struct SocketName {
  ListenerId listener{};
  uint32_t number = 0;
};
static_assert(sizeof(ConfHead) + ConfPart::most_sockets * sizeof(SocketName) <=
              ControlChannel::most_payload_bytes);

// An order of drains: this, then its part's text.
struct DrainHead {
  uint64_t window_ms = 0;
  uint32_t number = 0;
  uint32_t upstream = 0;
  uint32_t listener = 0;
  uint16_t code = 0;
  uint16_t text_bytes = 0;
  uint8_t place = 0;
  uint8_t kind = 0;
  uint8_t unused[6] = {};
};

// A request for a page: this, then the filter's value, then the reason.
struct PageRequestHead {
  uint32_t list = 0;
  uint32_t place = 0;
  uint32_t lines = 0;
  uint32_t upstream = 0;
  uint32_t listener = 0;
  uint16_t value_bytes = 0;
  uint16_t reason_bytes = 0;
  uint16_t code = 0;
  uint8_t by = 0;
  uint8_t closes = 0;
};

// A page: this, then its lines.
struct PageHead {
  uint32_t list = 0;
  uint32_t next = 0;
  uint32_t lines = 0;
  uint32_t left_out = 0;
  uint32_t closed = 0;
};
static_assert(sizeof(PageHead) + Page::most_text_bytes <= ControlChannel::most_payload_bytes);

// `count` is at most bytes.size().
std::string take_text(std::span<const uint8_t>& bytes, size_t count) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), count);
  bytes = bytes.subspan(count);
  return text;
}

Status send_latest(ControlChannel& channel, ControlKind kind, std::span<const uint8_t> payload,
                   std::span<const int> fds) {
  const Result<uint32_t> sent =
      channel.send(static_cast<uint16_t>(kind), payload, fds, ControlChannel::Keep::latest);
  if (!sent.ok()) return sent.fault();
  return Done{};
}

Status send_text(ControlChannel& channel, ControlKind kind, const PassedText& text) {
  const auto bytes = static_cast<uint64_t>(text.bytes);
  std::vector<uint8_t> payload;
  put(payload, bytes);
  return send_latest(channel, kind, payload, std::span(&text.fd, 1));
}

Status send_all(ControlChannel& channel, ControlKind kind, std::span<const uint8_t> payload) {
  const Result<uint32_t> sent =
      channel.send(static_cast<uint16_t>(kind), payload, {}, ControlChannel::Keep::all);
  if (!sent.ok()) return sent.fault();
  return Done{};
}

bool is(const ControlMessage& message, ControlKind kind, size_t bytes) {
  return message.kind() == static_cast<uint16_t>(kind) && message.payload().size() == bytes;
}

std::optional<PassedText> read_text(ControlMessage& message, ControlKind kind) {
  uint64_t bytes = 0;
  if (!is(message, kind, sizeof bytes) || message.descriptors() != 1) return std::nullopt;
  std::memcpy(&bytes, message.payload().data(), sizeof bytes);
  return PassedText{message.take_descriptor(), bytes};
}

}  // namespace

KeyHandover::~KeyHandover() {
  OPENSSL_cleanse(&keys, sizeof keys);
}

Status send_logs(ControlChannel& channel, const LogHandover& logs) {
  std::array<int, 2> fds{};
  size_t count = 0;
  for (const LogOutput* output : {&logs.error, &logs.access}) {
    if (output->on()) fds[count++] = output->descriptor.fd;
  }
  return send_latest(channel, ControlKind::logs, packed(logs), std::span(fds).first(count));
}

Status send_ticket_keys(ControlChannel& channel, const TicketKeys& keys) {
  const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(&keys), sizeof keys};
  return send_latest(channel, ControlKind::ticket_keys, bytes, {});
}

Status send_conf(ControlChannel& channel, const ConfTerms& terms,
                 std::span<const WorkerSocket> sockets, int bundle, size_t bundle_bytes) {
  const size_t all_sockets = sockets.size();
  for (bool last = false; !last;) {
    const auto now = sockets.first(std::min(sockets.size(), ConfPart::most_sockets));
    sockets = sockets.subspan(now.size());
    last = sockets.empty();
    ConfHead head;
    head.terms = terms;
    head.terms.sockets = all_sockets;
    head.sockets = now.size();
    head.bundle_bytes = last ? bundle_bytes : 0;
    std::array<uint8_t, ControlChannel::most_payload_bytes> payload;
    std::array<int, ControlMessage::most_descriptors> fds{};
    size_t bytes = sizeof head;
    std::memcpy(payload.data(), &head, sizeof head);
    for (size_t i = 0; i < now.size(); ++i) {
      const SocketName name{now[i].listener, now[i].number};
      std::memcpy(payload.data() + bytes, &name, sizeof name);
      bytes += sizeof name;
      fds[i] = now[i].fd;
    }
    fds[now.size()] = bundle;
    const Result<uint32_t> sent =
        channel.send(static_cast<uint16_t>(ControlKind::conf), std::span(payload).first(bytes),
                     std::span(fds).first(now.size() + (last ? 1 : 0)), ControlChannel::Keep::all);
    if (!sent.ok()) return sent.fault();
  }
  return Done{};
}

std::optional<ConfPart> read_conf_part(ControlMessage& message) {
  const std::span<const uint8_t> payload = message.payload();
  ConfHead head;
  if (message.kind() != static_cast<uint16_t>(ControlKind::conf) || payload.size() < sizeof head) {
    return std::nullopt;
  }
  std::memcpy(&head, payload.data(), sizeof head);
  const bool last = head.bundle_bytes > 0;
  if (head.terms.workers == 0 || head.sockets > ConfPart::most_sockets ||
      head.sockets > head.terms.sockets ||
      payload.size() != sizeof head + head.sockets * sizeof(SocketName) ||
      message.descriptors() != head.sockets + (last ? 1 : 0)) {
    return std::nullopt;
  }
  std::optional<ConfPart> part(std::in_place);
  part->terms = head.terms;
  part->bundle_bytes = head.bundle_bytes;
  part->socket_count = static_cast<uint32_t>(head.sockets);
  for (uint32_t i = 0; i < head.sockets; ++i) {
    SocketName name;
    std::memcpy(&name, payload.data() + sizeof head + i * sizeof name, sizeof name);
    part->sockets[i] = {name.listener, name.number, message.take_descriptor()};
  }
  if (last) part->bundle = message.take_descriptor();
  return part;
}

Status send_members(ControlChannel& channel, const PassedText& text) {
  return send_text(channel, ControlKind::members, text);
}

std::optional<PassedText> read_members(ControlMessage& message) {
  return read_text(message, ControlKind::members);
}

Status send_challenges(ControlChannel& channel, const PassedText& text) {
  return send_text(channel, ControlKind::challenges, text);
}

std::optional<PassedText> read_challenges(ControlMessage& message) {
  return read_text(message, ControlKind::challenges);
}

Status send_name_files(ControlChannel& channel, const NameFiles& files) {
  const std::array<uint8_t, 2> given{files.hosts >= 0, files.resolv_conf >= 0};
  std::array<int, 2> fds{};
  size_t count = 0;
  for (const int fd : {files.hosts, files.resolv_conf}) {
    if (fd >= 0) fds[count++] = fd;
  }
  return send_latest(channel, ControlKind::name_files, given, std::span(fds).first(count));
}

std::optional<NameFiles> read_name_files(ControlMessage& message) {
  if (!is(message, ControlKind::name_files, 2)) return std::nullopt;
  const bool hosts = message.payload()[0] != 0;
  const bool resolv_conf = message.payload()[1] != 0;
  if (message.descriptors() != size_t{hosts} + size_t{resolv_conf}) return std::nullopt;
  NameFiles files;
  if (hosts) files.hosts = message.take_descriptor();
  if (resolv_conf) files.resolv_conf = message.take_descriptor();
  return files;
}

Status send_admin(ControlChannel& channel, int fd) {
  const std::array<uint8_t, 1> given{fd >= 0};
  return send_latest(channel, ControlKind::admin, given, std::span(&fd, fd >= 0 ? 1 : 0));
}

std::optional<int> read_admin(ControlMessage& message) {
  if (!is(message, ControlKind::admin, 1)) return std::nullopt;
  const bool given = message.payload()[0] != 0;
  if (message.descriptors() != size_t{given}) return std::nullopt;
  return given ? message.take_descriptor() : -1;
}

Result<uint32_t> send_answers(ControlChannel& channel, size_t bytes) {
  std::vector<uint8_t> payload;
  put(payload, static_cast<uint64_t>(bytes));
  return channel.send(static_cast<uint16_t>(ControlKind::answers), payload, {},
                      ControlChannel::Keep::all);
}

std::optional<size_t> read_answers(const ControlMessage& message) {
  uint64_t bytes = 0;
  if (!is(message, ControlKind::answers, sizeof bytes)) return std::nullopt;
  std::memcpy(&bytes, message.payload().data(), sizeof bytes);
  return bytes;
}

bool drains_fit(const DrainOrders& orders) {
  size_t bytes = 0;
  for (const DrainOrder& order : orders) bytes += sizeof(DrainHead) + order.part.text.size();
  return orders.size() <= most_drains && bytes <= ControlChannel::most_payload_bytes;
}

Status send_drains(ControlChannel& channel, const DrainOrders& orders) {
  SLUICE_CHECK(drains_fit(orders));
  std::vector<uint8_t> payload;
  for (const DrainOrder& order : orders) {
    const std::string& text = order.part.text;
    DrainHead head;
    head.window_ms = order.window_ms;
    head.number = order.number;
    head.upstream = static_cast<uint32_t>(order.part.upstream);
    head.listener = static_cast<uint32_t>(order.part.listener);
    head.code = static_cast<uint16_t>(order.code);
    head.text_bytes = static_cast<uint16_t>(text.size());
    head.place = order.place;
    head.kind = static_cast<uint8_t>(order.part.kind);
    put(payload, head);
    payload.insert(payload.end(), text.begin(), text.end());
  }
  return send_latest(channel, ControlKind::drains, payload, {});
}

std::optional<DrainOrders> read_drains(const ControlMessage& message) {
  if (message.kind() != static_cast<uint16_t>(ControlKind::drains)) return std::nullopt;
  std::span<const uint8_t> rest = message.payload();
  DrainOrders orders;
  while (!rest.empty()) {
    DrainHead head;
    if (!take(rest, head)) return std::nullopt;
    const bool good = head.number != 0 && head.place < most_drains &&
                      head.text_bytes <= rest.size() &&
                      head.kind > static_cast<uint8_t>(Part::Kind::everything) &&
                      head.kind <= static_cast<uint8_t>(Part::Kind::listener) &&
                      close_code_allowed_on_wire(head.code) && orders.size() < most_drains;
    if (!good) return std::nullopt;
    DrainOrder& order = orders.emplace_back();
    order.number = head.number;
    order.place = head.place;
    order.part.kind = static_cast<Part::Kind>(head.kind);
    order.part.upstream = UpstreamId{head.upstream};
    order.part.listener = ListenerId{head.listener};
    order.part.text = take_text(rest, head.text_bytes);
    order.window_ms = head.window_ms;
    order.code = static_cast<CloseCode>(head.code);
  }
  return orders;
}

Status send_page_request(ControlChannel& channel, const PageRequest& request) {
  PageRequestHead head;
  head.list = request.list;
  head.place = request.place;
  head.lines = request.lines;
  head.upstream = static_cast<uint32_t>(request.upstream);
  head.listener = static_cast<uint32_t>(request.listener);
  head.code = request.code;
  head.by = static_cast<uint8_t>(request.filter.by);
  head.closes = request.closes ? 1 : 0;
  const std::string& value = request.filter.value;
  head.value_bytes = static_cast<uint16_t>(value.size());
  head.reason_bytes = static_cast<uint16_t>(request.reason.size());
  if (sizeof head + value.size() + request.reason.size() > ControlChannel::most_payload_bytes) {
    return Fault{"the filter's value is too long", 0};
  }
  std::vector<uint8_t> payload;
  put(payload, head);
  payload.insert(payload.end(), value.begin(), value.end());
  payload.insert(payload.end(), request.reason.begin(), request.reason.end());
  return send_all(channel, ControlKind::page_request, payload);
}

Status send_page(ControlChannel& channel, const Page& page) {
  std::vector<uint8_t> payload;
  put(payload, PageHead{page.list, page.next, page.lines, page.left_out, page.closed});
  payload.insert(payload.end(), page.text.begin(), page.text.end());
  return send_all(channel, ControlKind::page, payload);
}

std::optional<PageRequest> read_page_request(const ControlMessage& message) {
  std::span<const uint8_t> rest = message.payload();
  PageRequestHead head;
  const bool good =
      message.kind() == static_cast<uint16_t>(ControlKind::page_request) && take(rest, head) &&
      rest.size() == head.value_bytes + head.reason_bytes &&
      head.by <= static_cast<uint8_t>(SessionFilter::By::id) && head.closes <= 1 &&
      (head.closes == 0 ? head.reason_bytes == 0 : close_code_allowed_on_wire(head.code)) &&
      head.reason_bytes <= max_close_reason_bytes &&
      utf8_whole_bytes(rest.last(head.reason_bytes)) == head.reason_bytes;
  if (!good) return std::nullopt;
  PageRequest request;
  request.list = head.list;
  request.place = head.place;
  request.lines = head.lines;
  request.closes = head.closes == 1;
  request.filter.by = static_cast<SessionFilter::By>(head.by);
  request.filter.value = take_text(rest, head.value_bytes);
  request.upstream = UpstreamId{head.upstream};
  request.listener = ListenerId{head.listener};
  request.code = head.code;
  request.reason = take_text(rest, head.reason_bytes);
  return request;
}

std::optional<Page> read_page(const ControlMessage& message) {
  std::span<const uint8_t> rest = message.payload();
  PageHead head;
  if (message.kind() != static_cast<uint16_t>(ControlKind::page) || !take(rest, head)) {
    return std::nullopt;
  }
  return Page{head.list,     head.next,   head.lines,
              head.left_out, head.closed, take_text(rest, rest.size())};
}

std::optional<LogHandover> read_logs(ControlMessage& message) {
  if (message.kind() != static_cast<uint16_t>(ControlKind::logs)) return std::nullopt;
  std::optional<LogHandover> logs = unpacked_logs(message.payload());
  if (!logs) return std::nullopt;
  if (message.descriptors() != size_t{logs->error.on()} + logs->access.on()) return std::nullopt;
  for (LogOutput* output : {&logs->error, &logs->access}) {
    if (output->on()) output->descriptor.fd = message.take_descriptor();
  }
  return logs;
}

std::optional<KeyHandover> read_ticket_keys(const ControlMessage& message) {
  if (!is(message, ControlKind::ticket_keys, sizeof(TicketKeys))) return std::nullopt;
  std::optional<KeyHandover> handover(std::in_place, TicketKeys{});
  std::memcpy(&handover->keys, message.payload().data(), sizeof(TicketKeys));
  return handover;
}

}  // namespace sluice
