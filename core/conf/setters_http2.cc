// Setters: HTTP/2 with clients and with peers.
#include <algorithm>

#include "core/conf/setters.h"
#include "core/conf/values.h"

namespace sluice::setters {

namespace {

uint32_t window_bytes(const Word& word) {
  constexpr uint64_t least = 4 * 1024;
  constexpr uint64_t most = 16 * 1024 * 1024;
  return static_cast<uint32_t>(size_bytes(word, least, most));
}

}  // namespace

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
  call.section.settings.http2_stream_window_bytes = window_bytes(call.word(1));
}

void upstream_http(const SetterCall& call) {
  const Word& word = call.word(1);
  UpstreamHttp& setting = call.section.settings.upstream_http;
  if (word.value == "1") {
    setting = UpstreamHttp::one;
  } else if (word.value == "2") {
    setting = UpstreamHttp::two;
  } else if (word.value == "auto") {
    setting = UpstreamHttp::by_alpn;
  } else {
    throw ConfProblem{quoted(word.text) + " is neither 1 nor 2 nor auto"};
  }
}

void h2_streams_per_connection(const SetterCall& call) {
  call.section.settings.h2_streams = number(call.word(1), 1, 100'000);
}

void h2_connections_per_peer(const SetterCall& call) {
  call.section.settings.h2_connections = number_or_off(call.word(1), 1, 100'000);
}

void h2_stream_window(const SetterCall& call) {
  call.section.settings.h2_stream_window_bytes = window_bytes(call.word(1));
}

RateLimit http2_rate_of(const SetterCall& call) {
  RateLimit limit = message_rate_of(call);
  if (limit.a_second != 0 && call.arguments() == 1) {
    limit.burst = std::min(limit.a_second * 10, RateLimit::most);
  }
  return limit;
}

}  // namespace sluice::setters
