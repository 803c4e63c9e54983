// AuthVerdict: what an authorizer answered about a request, as far as it is needed: fields that the
// route passes on where it lets the client in, all of the answer where not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/head.h"

namespace sluice {

struct AuthVerdict {
  AnswerHead head;   // its texts are its own
  std::string body;  // of a refusal, without coding

  bool admits() const { return head.status >= 200 && head.status <= 299; }
  void begin(int status, std::string_view reason) {
    head.status = status;
    head.reason = head.made.emplace_back(reason);
  }
  void add(std::string_view name, std::string_view value) {
    std::string& kept = head.made.emplace_back(name);
    head.add_made(kept, std::string(value));
  }
  // Memory that it takes, but for what lists and strings add to it.
  size_t bytes() const {
    size_t sum = body.size();
    for (const std::string& each : head.made) sum += each.size();
    return sum;
  }
  AuthVerdict copy() const {
    AuthVerdict other;
    other.begin(head.status, head.reason);
    for (const HeaderField& field : head.fields) other.add(field.name, field.value);
    other.body = body;
    return other;
  }
};

}  // namespace sluice
