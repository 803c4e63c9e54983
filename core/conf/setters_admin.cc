// Setters of where sluice tells how it is, and to whom.
#include <algorithm>
#include <string>
#include <utility>

#include "core/conf/setters.h"
#include "protocol/ascii.h"

namespace sluice::setters {

namespace {

[[noreturn]] void refuse_address(const Word& word) {
  const bool port = !word.value.empty() &&
                    word.value.find_first_not_of("0123456789:") == std::string::npos &&
                    !word.expanded();
  const size_t digits = word.text.find_first_not_of(':');
  throw ConfProblem{
      quoted(word.text) + " is neither IP:PORT nor unix:PATH, nor off alone" +
      (port && digits != std::string::npos ? "; write 127.0.0.1:" + word.text.substr(digits) : "")};
}

// Of a host's name: labels of letters, digits and hyphens, with dots between.
bool host_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
         byte == '.' || byte == '_';
}

}  // namespace

void admin(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value == "off" && call.arguments() == 1) {
    call.draft.config.admin.reset();
    return;
  }
  // A port alone would be every address of this machine, which has to be said.
  const bool port_alone = word.value.find_first_not_of("0123456789:") == std::string::npos;
  const Result<Address> address = Address::parse(word.value);
  if (!address.ok() || port_alone || (!address.value().is_unix() && address.value().port() == 0)) {
    refuse_address(word);
  }
  AdminConfig& admin = call.draft.config.admin.emplace();
  admin.address = address.value();
  if (call.arguments() == 1) return;
  const Word& mode = call.word(2);
  if (!mode.value.starts_with("mode=") || !admin.address.is_unix()) {
    throw ConfProblem{quoted(mode.text) + ": only mode=, behind a unix socket"};
  }
  admin.file.mode = mode_of(mode.value.substr(5), mode);
}

void admin_allow(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    Result<Cidr> range = Cidr::parse(word.value);
    if (!range.ok()) {
      throw ConfProblem{quoted(word.text) + " is not a range of addresses (" +
                        range.fault().text() + "); write an IP address or a range, as 10.0.0.0/8"};
    }
    if (range.value().is_all()) {
      call.warn(quoted(word.text) + " is everybody: whoever reaches the port may ask");
    }
    call.draft.config.admin_rules.allow.push_back(std::move(range.value()));
  }
}

void admin_host(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    std::string name = lower_case(word.value);
    if (name.empty() || !std::all_of(name.begin(), name.end(), host_byte)) {
      throw ConfProblem{quoted(word.text) +
                        " is not a host's name; write it without a scheme and a port"};
    }
    call.draft.config.admin_rules.hosts.push_back(std::move(name));
  }
}

void ready_requires(const SetterCall& call) {
  for (size_t i = 1; i <= call.arguments(); ++i) {
    call.section.as<TopDraft>().ready_requires.push_back(call.word(i));
  }
}

}  // namespace sluice::setters
