// A whole session in one process: the input is a script of what client, upstream, clock and worker
// do; the worker's parts are real. Bytes 0 and 1 choose the world, then one step a byte: the low
// four bits say what, the high four how.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "protocol/handshake.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/session_verdict.h"
#include "tests/fuzz/session_world.h"

namespace sluice::fuzz {

namespace {

constexpr int most_steps = 300;
constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view accept_text = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

WorldChoices choices_of(uint8_t first, uint8_t second) {
  WorldChoices choices;
  choices.shake_hands = (first & 1) != 0;
  choices.deflate = (first & 2) != 0;
  choices.validate_utf8 = (first & 4) != 0;
  choices.limit_messages = (first & 8) != 0;
  choices.small_socket_buffers = (first & 16) != 0;
  choices.dead_peer_first = (first & 32) != 0;
  choices.tell_losses = (first & 64) != 0;
  choices.header_limits = (second & 1) != 0;
  choices.overloaded = (second & 30) == 30;
  return choices;
}

std::string request(bool deflate) {
  std::string text =
      "GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Key: ";
  text.append(key).append("\r\n");
  if (deflate) text += "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  return text + "\r\n";
}

std::string answer(unsigned kind) {
  std::string text =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  text.append("Sec-WebSocket-Accept: ").append(accept_text).append("\r\n");
  switch (kind) {
    case 0:
      return text + "\r\n";
    case 1:
      return text + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    case 2:
      return text + "Sec-WebSocket-Protocol: b\r\n\r\n";
    case 3:
      return "HTTP/1.1 100 Continue\r\n\r\n";
    case 4:
      return "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello";
    case 5:
      return "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    case 6:
      return "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    case 7:
      return text + "\r\n\x81\x05hello";
    default:
      return text.substr(0, 20 * kind);
  }
}

std::string frame(uint8_t first, size_t size, char fill, bool masked) {
  const uint8_t mask_bit = masked ? 0x80 : 0;
  std::string bytes(1, static_cast<char>(first));
  if (size < 126) {
    bytes += static_cast<char>(mask_bit | size);
  } else {
    bytes += static_cast<char>(mask_bit | 126);
    bytes += static_cast<char>(size >> 8);
    bytes += static_cast<char>(size & 0xff);
  }
  if (masked) bytes.append(4, '\0');
  return bytes.append(size, fill);
}

std::string frames(unsigned kind, bool masked) {
  struct Plain {
    uint8_t first;
    size_t size;
    char fill;
  };
  static constexpr std::array<Plain, 12> plain = {{{0x81, 5, 'a'},
                                                   {0x82, 200, 'b'},
                                                   {0x82, 5'000, 'c'},
                                                   {0x82, 40'000, 'd'},
                                                   {0x89, 3, 'p'},
                                                   {0x8a, 125, 'q'},
                                                   {0x88, 0, ' '},
                                                   {0x01, 900, 'e'},
                                                   {0x00, 200, 'f'},
                                                   {0x80, 1, 'g'},
                                                   {0xc1, 9, 'z'},
                                                   {0x81, 2, '\xff'}}};
  if (kind < plain.size()) {
    return frame(plain[kind].first, plain[kind].size, plain[kind].fill, masked);
  }
  std::string bytes;
  switch (kind) {
    case 12:  // a header whose payload may never come
      return frame(0x82, 1'000, 'h', masked).substr(0, masked ? 20 : 10);
    case 13:
      for (int i = 0; i < 50; ++i) bytes += frame(0x81, 4, 'i', masked);
      return bytes;
    case 14:
      for (int i = 0; i < 60; ++i) bytes += frame(0x89, 0, ' ', masked);
      return bytes;
    default:
      bytes = frame(0x88, 2, '\x03', masked);
      bytes.back() = '\xe8';
      return bytes;
  }
}

void end_one(SessionWorld& world, unsigned how) {
  Peer& peer = how % 2 == 0 ? world.client : world.upstream;
  if (how < 8) {
    peer.end_sending();
  } else {
    peer.close();
  }
}

void step(SessionWorld& world, const WorldChoices& choices, Input& input) {
  static constexpr uint32_t times_ms[] = {1,      10,     100,    500,    999,   1'000,
                                          2'000,  4'999,  5'000,  5'001,  9'999, 10'000,
                                          30'000, 60'000, 60'001, 600'000};
  const uint8_t byte = input.byte();
  const unsigned how = byte >> 4;
  switch (byte & 15) {
    case 0:
      return world.client.send(input.bytes(input.byte()));
    case 1:
      return world.upstream.send(input.bytes(input.byte()));
    case 2:
      for (unsigned i = 0; i <= how; ++i) world.turn();
      return;
    case 3:
      world.client.read(how == 15 ? SIZE_MAX : (how + 1) * 700);
      return;
    case 4:
      world.upstream.read(how == 15 ? SIZE_MAX : (how + 1) * 700);
      return;
    case 5:
      return world.client.send(bytes_of(frames(how, true)));
    case 6:
      return world.upstream.send(bytes_of(frames(how, false)));
    case 7:
      return world.client.send(bytes_of(request(choices.deflate)));
    case 8:
      return world.upstream.send(bytes_of(answer(how)));
    case 9:
      return world.advance_ms(times_ms[how]);
    case 10:
      return end_one(world, how);
    case 11:
      return world.check_stalls();
    case 12:
      if (how == 15) return world.leave(Boundary::frame);
      return how == 14 ? world.leave(Boundary::message) : world.turn();
    default:
      return world.turn();
  }
}

void run(Input input) {
  const uint8_t first = input.byte();
  const WorldChoices choices = choices_of(first, input.byte());
  SessionWorld world(choices);
  if (choices.shake_hands) {
    world.client.send(bytes_of(request(choices.deflate)));
    for (int i = 0; i < 3; ++i) world.turn();
    world.upstream.send(bytes_of(answer(choices.deflate ? 1 : 0)));
    world.turn();
  }
  for (int steps = 0; steps < most_steps && !input.empty(); ++steps) step(world, choices, input);
  world.settle();
  check_peers(world);
  world.end();
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
