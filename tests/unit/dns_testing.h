// A name server for unit tests, over UDP and TCP on one port of loopback: it serves when it is
// told to, in the test's own thread.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/keeper/dns_answer.h"
#include "tests/unit/net_testing.h"

namespace sluice::testing {

inline void put16(std::string& bytes, unsigned number) {
  bytes += static_cast<char>(number >> 8 & 0xff);
  bytes += static_cast<char>(number & 0xff);
}

// "a.b" with its lengths.
inline std::string wire_name(const std::string& name) {
  std::string wire;
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find('.', at), name.size());
    wire += static_cast<char>(end - at) + name.substr(at, end - at);
    at = end + 1;
  }
  return wire + '\0';
}

// Of a name that stands where the question's does, else of `owner`.
inline std::string wire_record(RecordKind kind, uint32_t ttl_s, const std::string& data,
                               const std::string& owner = std::string("\xc0\x0c", 2)) {
  std::string record = owner;
  put16(record, static_cast<unsigned>(kind));
  put16(record, 1);
  put16(record, ttl_s >> 16);
  put16(record, ttl_s & 0xffff);
  put16(record, static_cast<unsigned>(data.size()));
  return record + data;
}

inline std::string wire_address(const std::string& host) {
  const Address address = Address::from_ip(host, 0).value();
  if (address.family() == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address.raw());
    return std::string(reinterpret_cast<const char*>(&v4.sin_addr), 4);
  }
  const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address.raw());
  return std::string(reinterpret_cast<const char*>(&v6.sin6_addr), 16);
}

inline std::string wire_service(unsigned priority, unsigned weight, unsigned port,
                                const std::string& target) {
  std::string data;
  put16(data, priority);
  put16(data, weight);
  put16(data, port);
  return data + wire_name(target);
}

// `question` as it came, from its name on.
inline std::string wire_message(const std::string& id, unsigned flags, const std::string& question,
                                const std::vector<std::string>& records) {
  std::string message = id;
  put16(message, flags);
  put16(message, 1);
  put16(message, static_cast<unsigned>(records.size()));
  put16(message, 0);
  put16(message, 0);
  message += question;
  for (const std::string& each : records) message += each;
  return message;
}

class StubDns {
 public:
  enum class Habit {
    none,
    servfail,
    refused,
    silence,
    wrong_id,
    wrong_question,
    wrong_port,
    loop,
    truncated,
    garbage,
    hang_up
  };

  StubDns() {
    for (int i = 0; udp_.get() < 0; ++i) {
      REQUIRE(i < 100);
      tcp_ = listening_socket(loopback());
      Descriptor udp(sys::datagram_socket(AF_INET));
      if (sys::bind(udp.get(), sys::local_address(tcp_.get())) == 0) udp_ = std::move(udp);
    }
    other_ = Descriptor(sys::datagram_socket(AF_INET));
    REQUIRE(sys::bind(other_.get(), loopback()) == 0);
  }

  Address address() const { return sys::local_address(tcp_.get()); }

  void add(const std::string& name, RecordKind kind, const std::string& data, uint32_t ttl_s = 60) {
    known_.insert(name);
    records_[{name, kind}].push_back(wire_record(kind, ttl_s, data));
  }
  void address(const std::string& name, const std::string& host, uint32_t ttl_s = 60) {
    const bool v6 = host.find(':') != std::string::npos;
    add(name, v6 ? RecordKind::aaaa : RecordKind::a, wire_address(host), ttl_s);
  }
  void alias(const std::string& name, const std::string& target, const std::string& host,
             uint32_t ttl_s) {
    known_.insert(name);
    records_[{name, RecordKind::a}] = {
        wire_record(RecordKind::cname, ttl_s, wire_name(target)),
        wire_record(RecordKind::a, 60, wire_address(host), wire_name(target))};
  }
  // The name is there and has nothing.
  void know(const std::string& name) { known_.insert(name); }
  void forget(const std::string& name) {
    known_.erase(name);
    for (const RecordKind kind : {RecordKind::a, RecordKind::aaaa, RecordKind::srv}) {
      records_.erase({name, kind});
    }
  }
  void behave(Habit habit, const std::string& name = "") { habits_[name] = habit; }
  void behave(Habit habit, const std::string& name, RecordKind kind) {
    kind_habits_[{name, kind}] = habit;
  }

  int asked(const std::string& name) const {
    const auto found = asked_.find(name);
    return found != asked_.end() ? found->second : 0;
  }
  int asked() const { return total_; }
  int asked_over_tcp() const { return over_tcp_; }

  // Answers what has come.
  void serve() {
    char buffer[1024];
    Address from;
    for (ssize_t got; (got = sys::recv_from(udp_.get(), buffer, sizeof buffer, from)) >= 0;) {
      Habit habit{};
      const std::string message =
          answer(std::string(buffer, static_cast<size_t>(got)), false, habit);
      const int sender = habit == Habit::wrong_port ? other_.get() : udp_.get();
      if (message.empty()) continue;
      ::sendto(sender, message.data(), message.size(), 0, from.raw(), from.raw_length());
    }
    for (int fd; (fd = sys::accept(tcp_.get(), from)) >= 0;) streams_.push_back({Descriptor(fd)});
    for (Stream& stream : streams_) serve_stream(stream);
  }

 private:
  struct Stream {
    Descriptor fd;
    std::string came = {};
    std::string waits = {};
  };

  void serve_stream(Stream& stream) {
    if (stream.fd.get() < 0) return;
    stream.came += recv_text(stream.fd.get());
    while (stream.came.size() > 2) {
      const auto length = static_cast<size_t>(static_cast<unsigned char>(stream.came[1]));
      if (stream.came.size() < 2 + length) break;
      Habit habit{};
      const std::string message = answer(stream.came.substr(2, length), true, habit);
      stream.came.erase(0, 2 + length);
      if (habit == Habit::hang_up) stream.fd.close();
      if (message.empty()) continue;
      put16(stream.waits, static_cast<unsigned>(message.size()));
      stream.waits += message;
    }
    if (stream.waits.empty() || stream.fd.get() < 0) return;
    // Small pieces, so that a message comes in many reads.
    const size_t piece = std::min<size_t>(stream.waits.size(), 9'000);
    const ssize_t sent = sys::send(stream.fd.get(), stream.waits.data(), piece);
    if (sent > 0) stream.waits.erase(0, static_cast<size_t>(sent));
  }

  std::string answer(const std::string& asked, bool over_tcp, Habit& habit) {
    std::string name;
    size_t at = 12;
    while (asked[at] != 0) {
      const auto length = static_cast<size_t>(asked[at]);
      name += (name.empty() ? "" : ".") + asked.substr(at + 1, length);
      at += 1 + length;
    }
    const auto kind = static_cast<RecordKind>(asked[at + 2]);
    std::string id = asked.substr(0, 2);
    std::string question = asked.substr(12, at + 5 - 12);
    ++asked_[name];
    ++total_;
    over_tcp_ += over_tcp ? 1 : 0;
    habit = habit_of(name, kind);
    const auto found = records_.find({name, kind});
    std::vector<std::string> records =
        found != records_.end() ? found->second : std::vector<std::string>();
    unsigned flags = 0x8180 | (known_.count(name) > 0 ? 0u : 3u);
    if (habit == Habit::silence) return "";
    if (habit == Habit::garbage) return std::string(40, '\xff');
    if (habit == Habit::servfail || habit == Habit::refused) {
      flags = habit == Habit::servfail ? 0x8182 : 0x8185;
      records.clear();
    }
    if (habit == Habit::wrong_id) id[0] = static_cast<char>(id[0] ^ 0x55);
    if (habit == Habit::wrong_question) question[1] = static_cast<char>(question[1] ^ 1);
    if (habit == Habit::loop) {
      std::string loop;
      put16(loop, static_cast<unsigned>(0xc000 + 12 + question.size()));
      records = {wire_record(RecordKind::a, 60, wire_address("10.6.6.6"), loop)};
    }
    std::string message = wire_message(id, flags, question, records);
    if (over_tcp || (message.size() <= 512 && habit != Habit::truncated)) return message;
    return wire_message(id, flags | 0x0200, question, {});
  }

  Habit habit_of(const std::string& name, RecordKind kind) const {
    const auto of_kind = kind_habits_.find({name, kind});
    if (of_kind != kind_habits_.end()) return of_kind->second;
    const auto of_name = habits_.find(name);
    if (of_name != habits_.end()) return of_name->second;
    const auto of_all = habits_.find("");
    return of_all != habits_.end() ? of_all->second : Habit::none;
  }

  Descriptor udp_;
  Descriptor tcp_;
  Descriptor other_;
  std::vector<Stream> streams_;
  std::set<std::string> known_;
  std::map<std::pair<std::string, RecordKind>, std::vector<std::string>> records_;
  std::map<std::string, Habit> habits_;
  std::map<std::pair<std::string, RecordKind>, Habit> kind_habits_;
  std::map<std::string, int> asked_;
  int total_ = 0;
  int over_tcp_ = 0;
};

}  // namespace sluice::testing
