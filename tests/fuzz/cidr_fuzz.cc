// Ranges of addresses: what is one is written in one way alone, and holds what its bits say.
#include <string>

#include "net/check.h"
#include "net/cidr.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

void run(std::string_view text) {
  const Result<Cidr> range = Cidr::parse(text);
  if (!range.ok()) return;
  const std::string written = range.value().text();
  const Result<Cidr> again = Cidr::parse(written);
  SLUICE_CHECK(again.ok() && again.value() == range.value());
  SLUICE_CHECK(again.value().text() == written);
  // Its first address is in it, and where it is not everybody one of the other family is not.
  const std::string first = written.substr(0, written.find('/'));
  const Result<Address> address = Address::from_ip(first, 1);
  SLUICE_CHECK(address.ok() && range.value().holds(address.value()));
  const bool v4 = first.find(':') == std::string::npos;
  const Address other = Address::from_ip(v4 ? "2001:db8::1" : "192.0.2.1", 1).value();
  SLUICE_CHECK(!range.value().holds(other));
  if (v4) {
    const Result<Address> mapped = Address::from_ip("::ffff:" + first, 1);
    SLUICE_CHECK(mapped.ok() && range.value().holds(mapped.value()));
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
