// RequestReader: bytes go to the parser as they come; the first tell what is no HTTP at all.
#include "core/session/request_reader.h"

#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/direction.h"
#include "protocol/preface.h"

namespace sluice {

namespace {

// One recv takes at most this much, so that early frames behind the head fit any ring.
constexpr size_t read_bytes = most_early_bytes;

Http1Parser::Limits limits_of(const ListenConfig& listener) {
  Http1Parser::Limits limits;
  limits.head_bytes = listener.max_header_bytes;
  limits.fields = listener.max_header_fields;
  return limits;
}

}  // namespace

RequestReader::RequestReader(Leg& client, const ListenConfig& listener)
    : client_(client),
      listener_(listener),
      parser_(Http1Parser::Role::request, limits_of(listener)) {}

RequestReader::Step RequestReader::read() {
  if (!early_.empty()) {
    const std::string bytes = std::exchange(early_, {});
    if (const Step step = take(bytes); step != Step::wait) return step;
  }
  for (int round = 0; client_.readable; ++round) {
    if (round == read_rounds) return Step::again;
    char bytes[read_bytes];
    const iovec piece{bytes, sizeof bytes};
    const Io io = client_.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) return leave();
    if (io.bytes == 0) continue;  // a TLS record of none
    const Step step = take({bytes, io.bytes});
    if (step != Step::wait) return step;
  }
  return Step::wait;
}

RequestReader::Step RequestReader::take(std::string_view bytes) {
  const bool first = !std::exchange(heard_, true);
  if (const char* foreign = first ? foreign_preface(bytes) : nullptr) return refuse({400, foreign});
  const Http1Parser::Fed fed = parser_.feed_head(bytes);
  switch (fed.outcome) {
    case Http1Parser::Outcome::more:
      return Step::wait;
    case Http1Parser::Outcome::failed:
      return refuse({parser_.status(), parser_.reason(),
                     head_limit_text(parser_, "max_header_size", listener_.max_header_bytes,
                                     listener_.max_header_fields)});
    case Http1Parser::Outcome::complete:
      break;
  }
  early_ = bytes.substr(fed.consumed);
  return Step::complete;
}

RequestReader::Step RequestReader::leave() {
  if (tls_ != nullptr && !tls_->detail().empty()) {
    heard_ = true;  // no byte of a request perhaps, but records that broke a limit
    refusal_ = {0, client_.failure(), tls_->detail()};
  } else if (heard_) {
    refusal_ = {0, "client left before its request was complete"};
  }
  return Step::left;
}

RequestReader::Step RequestReader::refuse(Refusal refusal) {
  refusal_ = std::move(refusal);
  return Step::refused;
}

}  // namespace sluice
