// Setters: a listener's HTTP/2.
#include <algorithm>

#include "core/conf/setters.h"
#include "core/conf/values.h"

namespace sluice::setters {

void http2(const SetterCall& call) {
  const Word& word = call.word(1);
  Http2Use& setting = call.section.settings.http2;
  if (word.value == "on") {
    setting = Http2Use::on;
  } else if (word.value == "cleartext") {
    setting = Http2Use::cleartext;
  } else if (word.value == "off") {
    setting = Http2Use::off;
  } else {
    throw ConfProblem{quoted(word.text) + " is neither on nor cleartext nor off"};
  }
}

void http2_max_streams(const SetterCall& call) {
  call.section.settings.http2_max_streams = number(call.word(1), 1, 100'000);
}

void http2_stream_window(const SetterCall& call) {
  constexpr uint64_t least = 4 * 1024;
  constexpr uint64_t most = 16 * 1024 * 1024;
  call.section.settings.http2_stream_window_bytes =
      static_cast<uint32_t>(size_bytes(call.word(1), least, most));
}

RateLimit http2_rate_of(const SetterCall& call) {
  RateLimit limit = message_rate_of(call);
  if (limit.a_second != 0 && call.arguments() == 1) {
    limit.burst = std::min(limit.a_second * 10, RateLimit::most);
  }
  return limit;
}

}  // namespace sluice::setters
