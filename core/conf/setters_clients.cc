// Setters of who the client is: which balancers are believed, and in what form they say it.
#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "core/conf/setters.h"
#include "protocol/head.h"

namespace sluice::setters {

void add_range(const Word& word, AddressRanges& ranges) {
  if (word.value == "unix" || word.value == "unix:") {
    ranges.unix_sockets = true;
    return;
  }
  Result<Cidr> range = Cidr::parse(word.value);
  if (!range.ok()) {
    throw ConfProblem{quoted(word.text) + " is not a range of addresses (" + range.fault().text() +
                      "); write an IP address, as 192.0.2.1 or 2001:db8::1, a range, as "
                      "10.0.0.0/8, or unix"};
  }
  ranges.ranges.push_back(range.value());
}

void trusted_proxies(const SetterCall& call) {
  TrustedProxies& trusted = call.section.settings.trusted_proxies;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "off") {
      if (call.arguments() > 1) throw ConfProblem{"off stands alone"};
      continue;
    }
    const size_t before = trusted.ranges.size();
    add_range(word, trusted);
    if (trusted.ranges.size() > before && trusted.ranges.back().is_all()) {
      call.warn(quoted(word.text) + " is everybody: whoever connects may say who he is");
    }
  }
}

void real_ip_header(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value == "proxy_protocol") {
    throw ConfProblem{"write proxy_protocol on; the client is then whom the PROXY header names"};
  }
  if (equals_ignoring_case(word.value, "Forwarded")) {
    throw ConfProblem{
        "Forwarded is written (forwarded on), not read; name a field that holds "
        "addresses, as X-Forwarded-For or CF-Connecting-IP"};
  }
  if (!is_token(word.value)) {
    throw ConfProblem{quoted(word.text) + " is not a header's name; it has no blanks and no colon"};
  }
  call.section.settings.real_ip_header = word.value;
}

void send_proxy_protocol(const SetterCall& call) {
  const Word& word = call.word(1);
  SendProxyProtocol& version = call.section.settings.send_proxy_protocol;
  if (word.value == "v1") {
    version = SendProxyProtocol::v1;
  } else if (word.value == "v2") {
    version = SendProxyProtocol::v2;
  } else if (word.value == "off") {
    version = SendProxyProtocol::off;
  } else {
    throw ConfProblem{quoted(word.text) + " is none of v1, v2 and off"};
  }
}

void bind_address(const SetterCall& call) {
  std::vector<Address>& addresses = call.section.settings.bind_addresses;
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    if (word.value == "off") {
      if (call.arguments() > 1) throw ConfProblem{"off stands alone"};
      return;
    }
    const Result<Address> address = Address::from_ip(word.value, 0);
    if (!address.ok()) {
      throw ConfProblem{quoted(word.text) +
                        " is not an IP address; write one of this machine's, without a port"};
    }
    if (std::find(addresses.begin(), addresses.end(), address.value()) != addresses.end()) {
      throw ConfProblem{quoted(word.text) + " is given twice"};
    }
    addresses.push_back(address.value());
    // The machine that checks a conf need not be the one that runs it.
    if (!call.draft.options.open_files) continue;
    const int error = call.draft.inputs.bindable(address.value());
    if (error == EADDRNOTAVAIL) call.warn(quoted(word.text) + ": this machine has no such address");
  }
}

}  // namespace sluice::setters
