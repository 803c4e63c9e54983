// What a name server's answer says: one message's bytes as records. Pure; the bytes are a
// stranger's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "net/address.h"

namespace sluice {

// Types of records (RFC 1035 3.2.2, RFC 3596, RFC 2782).
enum class RecordKind : uint16_t { a = 1, cname = 5, aaaa = 28, srv = 33 };

struct ServiceTarget {
  std::string host;  // lower case, without a dot at its end; "": there is no such service
  uint16_t port = 0;
  uint16_t priority = 0;
  uint16_t weight = 0;
};

struct DnsAnswer {
  enum class Outcome : uint8_t {
    records,
    none,          // the name is there and has no such record
    no_such_name,  // NXDOMAIN
    failed,        // `why` says it
    timed_out
  };

  Outcome outcome = Outcome::failed;
  const char* why = "";                      // static text, of a failure: "answered SERVFAIL"
  uint32_t ttl_s = 0;                        // the smallest of the records that led here
  std::vector<Address> addresses = {};       // a, aaaa; port 0
  std::vector<ServiceTarget> services = {};  // srv

  static DnsAnswer failure(Outcome outcome, const char* why) { return {outcome, why}; }
};

// Takes the records of that kind that the question's name has, itself or through aliases (RFC 1034
// 3.6.2). 0.0.0.0 and :: are left out, and so are services whose target is no host name. A message
// that ends too early or is none is a failure, whatever came before. Throws std::bad_alloc.
DnsAnswer parse_dns_answer(std::span<const uint8_t> message, RecordKind kind);

}  // namespace sluice
