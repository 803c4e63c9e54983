// What a name server may answer: any bytes, to any question, over datagrams or a stream. A question
// is answered at most once, and what is told of it is within its bounds.
//
// The first byte chooses: bit 0: a service is asked for; bit 1: the bytes are a message, of which
// only the id is set right, else they stand behind the header's id and the question that was asked.
#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>

#include "core/keeper/resolver.h"
#include "net/check.h"
#include "net/sys.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

constexpr size_t most_addresses = 5;
constexpr int turns = 12;  // for a service over a stream

void check_parsed(std::span<const uint8_t> message) {
  for (const RecordKind kind : {RecordKind::a, RecordKind::aaaa, RecordKind::srv}) {
    const DnsAnswer answer = parse_dns_answer(message, kind);
    const bool any = !answer.addresses.empty() || !answer.services.empty();
    SLUICE_CHECK(any == (answer.outcome == DnsAnswer::Outcome::records));
    SLUICE_CHECK((*answer.why != '\0') == (answer.outcome == DnsAnswer::Outcome::failed));
    SLUICE_CHECK(answer.services.empty() || kind == RecordKind::srv);
    for (const Address& each : answer.addresses) {
      SLUICE_CHECK(each.family() == (kind == RecordKind::a ? AF_INET : AF_INET6));
      SLUICE_CHECK(!each.is_any() && each.port() == 0);
    }
    for (const ServiceTarget& each : answer.services) SLUICE_CHECK(each.host.size() < 254);
  }
}

void check_told(const NameAnswer& answer) {
  const bool any = answer.kind == NameAnswer::Kind::targets;
  SLUICE_CHECK(any == !answer.targets.empty());
  SLUICE_CHECK(any || !answer.why.empty());
  SLUICE_CHECK(answer.targets.size() <= most_addresses);
  std::set<std::string> texts;
  for (const NameTarget& each : answer.targets) {
    SLUICE_CHECK(texts.insert(each.address.text()).second);
  }
  SLUICE_CHECK(std::is_sorted(
      answer.targets.begin(), answer.targets.end(),
      [](const NameTarget& a, const NameTarget& b) { return a.priority < b.priority; }));
}

// A name server that says what the input says.
class Server {
 public:
  Server() {
    do {
      if (tcp_ >= 0) sys::close(tcp_);
      if (udp_ >= 0) sys::close(udp_);
      tcp_ = sys::stream_socket(AF_INET);
      udp_ = sys::datagram_socket(AF_INET);
      SLUICE_CHECK(sys::bind(tcp_, Address::from_ip("127.0.0.1", 0).value()) == 0);
    } while (sys::bind(udp_, address()) != 0);
    SLUICE_CHECK(sys::listen(tcp_, 64) == 0);
  }
  Address address() const { return sys::local_address(tcp_); }

  void serve(uint8_t choice, std::span<const uint8_t> bytes) {
    char buffer[2048];
    Address from;
    for (ssize_t got; (got = sys::recv_from(udp_, buffer, sizeof buffer, from)) > 0;) {
      const std::string said = say({buffer, static_cast<size_t>(got)}, choice, bytes);
      ::sendto(udp_, said.data(), said.size(), 0, from.raw(), from.raw_length());
    }
    for (int fd; (fd = sys::accept(tcp_, from)) >= 0;) {
      if (stream_ >= 0) sys::close(stream_);
      stream_ = fd;
    }
    if (stream_ < 0) return;
    const ssize_t got = sys::recv(stream_, buffer, sizeof buffer);
    if (got > 14) {
      std::string said = say({buffer + 2, static_cast<size_t>(got - 2)}, choice, bytes);
      said.insert(0, {static_cast<char>(said.size() >> 8), static_cast<char>(said.size())});
      sys::send(stream_, said.data(), said.size());
    } else if (got != -EAGAIN) {
      sys::close(std::exchange(stream_, -1));
    }
  }

 private:
  static std::string say(std::string_view asked, uint8_t choice, std::span<const uint8_t> bytes) {
    const std::string_view text = text_of(bytes);
    if ((choice & 2) != 0) {
      std::string said(text);
      std::copy_n(asked.begin(), std::min<size_t>(2, said.size()), said.begin());
      return said;
    }
    const size_t question = asked.find('\0', 12) + 5 - 12;
    const size_t head = std::min<size_t>(10, text.size());
    return std::string(asked.substr(0, 2)) + std::string(text.substr(0, head)) +
           std::string(asked.substr(12, question)) + std::string(text.substr(head));
  }

  int tcp_ = -1;
  int udp_ = -1;
  int stream_ = -1;
};

// Made once: c-ares reads files when it begins.
struct World {
  World() {
    SLUICE_CHECK(reactor.open().ok() && resolver.open().ok());
    rules.most_addresses = most_addresses;
  }

  // By turns two servers, so that c-ares gives up what the input before left unanswered.
  void run(Input input) {
    const uint8_t choice = input.byte();
    const std::span<const uint8_t> bytes = input.rest();
    check_parsed(bytes);
    Server& server = servers[next++ % servers.size()];
    rules.servers = {server.address()};
    resolver.use(rules);
    const bool service = (choice & 1) != 0;
    int told = 0;
    const Handle asked = resolver.ask({"a.b", static_cast<uint16_t>(service ? 0 : 80), service},
                                      [&told](NameAnswer& answer) {
                                        check_told(answer);
                                        ++told;
                                      });
    for (int i = 0; i < turns && told == 0; ++i) {
      reactor.turn(0);
      server.serve(choice, bytes);
    }
    resolver.cancel(asked);
    SLUICE_CHECK(told <= 1 && resolver.under_way() == 0);
  }

  std::array<Server, 2> servers;
  size_t next = 0;
  Reactor reactor;
  ResolverRules rules;
  Resolver resolver{reactor};
};

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<sluice::fuzz::World> world = std::make_unique<sluice::fuzz::World>();
  world->run(sluice::fuzz::Input(data, size));
  return 0;
}
