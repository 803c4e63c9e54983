// Names are compared as they stand on the wire, in lower case: a length before each label.
#include "core/keeper/dns_answer.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/keeper/name_limits.h"

namespace sluice {

namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint16_t class_internet = 1;
constexpr unsigned most_pointers = 127;      // in one name: so many labels fit in it
constexpr unsigned most_aliases = 16;        // as resolvers have it
constexpr uint32_t most_ttl_s = 0x7fffffff;  // RFC 2181 8: above it is 0

// Reads from the front; what is not there leaves it broken.
class Reader {
 public:
  Reader(Bytes message, size_t at) : message_(message), at_(at) {}

  bool broken() const { return broken_; }
  size_t at() const { return at_; }

  uint16_t number16() {
    const Bytes two = bytes(2);
    return broken_ ? uint16_t{0} : static_cast<uint16_t>(two[0] << 8 | two[1]);
  }
  uint32_t number32() {
    const uint32_t high = number16();
    return high << 16 | number16();
  }
  Bytes bytes(size_t count) {
    if (broken_ || count > message_.size() - at_) {
      broken_ = true;
      return {};
    }
    at_ += count;
    return message_.subspan(at_ - count, count);
  }
  // Labels with their lengths, lower case, without the last one of length 0. Pointers (RFC 1035
  // 4.1.4) lead only to where the name before them begins or further back, so they end.
  void name(std::string& labels) {
    labels.clear();
    Reader part = *this;
    size_t begin = at_;
    unsigned pointers = 0;
    for (;;) {
      const Bytes one = part.bytes(1);
      if (part.broken_) break;
      if (one[0] == 0) {
        if (pointers == 0) at_ = part.at_;
        return;
      }
      if (one[0] >= 0xc0) {
        const Bytes other = part.bytes(1);
        if (part.broken_) break;
        const size_t target = static_cast<size_t>(one[0] & 0x3f) << 8 | other[0];
        if (pointers == 0) at_ = part.at_;
        if (target >= begin || ++pointers > most_pointers) break;
        begin = part.at_ = target;
        continue;
      }
      const Bytes label = part.bytes(one[0]);
      if (part.broken_ || one[0] > 63 || labels.size() + 2 + label.size() > most_name_wire_bytes)
        break;
      labels += static_cast<char>(one[0]);
      for (const uint8_t each : label) {
        labels += static_cast<char>(each >= 'A' && each <= 'Z' ? each - 'A' + 'a' : each);
      }
    }
    broken_ = true;
  }

 private:
  Bytes message_;
  size_t at_;
  bool broken_ = false;
};

struct Record {
  std::string owner;
  uint16_t kind = 0;
  uint32_t ttl_s = 0;
  size_t data_at = 0;
  size_t data_bytes = 0;
};

// The records of the answer section that are of class Internet; nothing where the message ends
// before they do.
std::optional<std::vector<Record>> records_of(Reader reader, uint16_t count) {
  std::vector<Record> records;
  for (uint16_t i = 0; i < count; ++i) {
    Record record;
    reader.name(record.owner);
    record.kind = reader.number16();
    const uint16_t record_class = reader.number16();
    record.ttl_s = reader.number32();
    record.data_bytes = reader.number16();
    record.data_at = reader.at();
    reader.bytes(record.data_bytes);
    if (reader.broken()) return std::nullopt;
    if (record.ttl_s > most_ttl_s) record.ttl_s = 0;
    if (record_class == class_internet) records.push_back(std::move(record));
  }
  return records;
}

std::optional<Address> address_of(Bytes data, RecordKind kind) {
  if (kind == RecordKind::a && data.size() == 4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, data.data(), data.size());
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  if (kind == RecordKind::aaaa && data.size() == 16) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, data.data(), data.size());
    return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return std::nullopt;
}

// "a.b" of labels that host names are made of, with '_' as well; nothing of others.
std::optional<std::string> host_of(const std::string& labels) {
  std::string host;
  for (size_t at = 0; at < labels.size();) {
    const auto length = static_cast<size_t>(static_cast<unsigned char>(labels[at]));
    if (!host.empty()) host += '.';
    for (const char each : std::string_view(labels).substr(at + 1, length)) {
      const bool fits = (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') ||
                        each == '-' || each == '_';
      if (!fits) return std::nullopt;
      host += each;
    }
    at += 1 + length;
  }
  return host;
}

// False where the record cannot be read.
bool take_record(Bytes message, const Record& record, RecordKind kind, DnsAnswer& answer) {
  if (kind != RecordKind::srv) {
    const std::optional<Address> address =
        address_of(message.subspan(record.data_at, record.data_bytes), kind);
    if (!address.has_value()) return false;
    if (!address->is_any()) answer.addresses.push_back(*address);
    return true;
  }
  Reader reader(message.first(record.data_at + record.data_bytes), record.data_at);
  ServiceTarget target;
  target.priority = reader.number16();
  target.weight = reader.number16();
  target.port = reader.number16();
  std::string labels;
  reader.name(labels);
  if (reader.broken()) return false;
  std::optional<std::string> host = host_of(labels);
  if (!host.has_value()) return true;
  target.host = std::move(*host);
  answer.services.push_back(std::move(target));
  return true;
}

// Follows aliases from `name` on, which then is the last one's name; the smallest TTL on the way.
uint32_t follow_aliases(Bytes message, const std::vector<Record>& records, std::string& name) {
  uint32_t ttl_s = most_ttl_s;
  for (unsigned i = 0; i < most_aliases; ++i) {
    const auto alias = std::find_if(records.begin(), records.end(), [&name](const Record& each) {
      return each.kind == static_cast<uint16_t>(RecordKind::cname) && each.owner == name;
    });
    if (alias == records.end()) break;
    Reader reader(message.first(alias->data_at + alias->data_bytes), alias->data_at);
    std::string target;
    reader.name(target);
    if (reader.broken()) break;
    ttl_s = std::min(ttl_s, alias->ttl_s);
    name = std::move(target);
  }
  return ttl_s;
}

DnsAnswer take_records(Bytes message, const std::vector<Record>& records, std::string name,
                       RecordKind kind) {
  DnsAnswer answer;
  answer.outcome = DnsAnswer::Outcome::none;
  answer.ttl_s = follow_aliases(message, records, name);
  for (const Record& record : records) {
    if (record.kind != static_cast<uint16_t>(kind) || record.owner != name) continue;
    if (!take_record(message, record, kind, answer)) {
      return DnsAnswer::failure(DnsAnswer::Outcome::failed, "answered with a record that is none");
    }
    answer.ttl_s = std::min(answer.ttl_s, record.ttl_s);
  }
  if (!answer.addresses.empty() || !answer.services.empty()) {
    answer.outcome = DnsAnswer::Outcome::records;
  }
  return answer;
}

// Codes of RFC 1035 4.1.1.
const char* failure_text(unsigned code) {
  switch (code) {
    case 1:
      return "answered FORMERR: it did not understand the question";
    case 2:
      return "answered SERVFAIL: it could not find out";
    case 4:
      return "answered NOTIMP: it does not answer such questions";
    case 5:
      return "answered REFUSED: it does not answer us";
    default:
      return "answered with an error";
  }
}

}  // namespace

DnsAnswer parse_dns_answer(Bytes message, RecordKind kind) {
  constexpr unsigned name_error = 3;
  using Outcome = DnsAnswer::Outcome;
  Reader reader(message, 0);
  reader.number16();  // the id, which belongs to who asked
  const unsigned flags = reader.number16();
  const uint16_t questions = reader.number16();
  const uint16_t answers = reader.number16();
  reader.number32();  // other sections
  const unsigned code = flags & 0xf;
  if (reader.broken()) return DnsAnswer::failure(Outcome::failed, "answered with no message");
  if (code == name_error) return DnsAnswer::failure(Outcome::no_such_name, "");
  if (code != 0) return DnsAnswer::failure(Outcome::failed, failure_text(code));
  std::string name;
  for (uint16_t i = 0; i < questions; ++i) {
    reader.name(name);
    reader.number32();  // type and class
    if (reader.broken()) break;
  }
  std::optional<std::vector<Record>> records;
  if (questions == 1 && !reader.broken()) records = records_of(reader, answers);
  if (!records.has_value()) {
    return DnsAnswer::failure(Outcome::failed, "answered with a message that is broken");
  }
  return take_records(message, *records, std::move(name), kind);
}

}  // namespace sluice
