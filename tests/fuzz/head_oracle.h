// What must be true of every head that Http1Parser accepts, or that sluice itself makes, read from
// its bytes by plain code that knows nothing of llhttp.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/http1.h"

namespace sluice::fuzz {

// Aborts where `bytes`, which end with the head's last CRLF, are not what `head` says: lines end in
// CRLF and hold no other control byte but TAB, fields are as they came, in order.
void check_accepted_head(std::string_view bytes, const RequestHead& head);
void check_accepted_head(std::string_view bytes, const AnswerHead& head);

// Names in small letters, without what is not end-to-end in this head: hop-by-hop fields, what
// Connection nominates, Content-Length, Sec-WebSocket-*, and `also`.
std::vector<HeaderField> end_to_end_fields(const Head& head,
                                           std::initializer_list<std::string_view> also);

// Aborts unless all of them are alike, in order.
void check_same_fields(const std::vector<HeaderField>& a, const std::vector<HeaderField>& b);

// Aborts where there is a field that concerns one connection only, but for `Connection`,
// `Upgrade` and those in `allowed`.
void check_no_hop_by_hop(const Head& head, std::initializer_list<std::string_view> allowed);

// Whether RFC 7692 7.1 permits an offer of permessage-deflate, by plain code of its own.
bool offer_permitted(std::string_view offer);

struct HeadReading {
  Http1Parser::Outcome outcome = Http1Parser::Outcome::more;
  size_t consumed = 0;
  int status = 0;
  std::string reason;

  friend bool operator==(const HeadReading&, const HeadReading&) = default;
};

// Feeds a head, cut as `kind` says.
HeadReading read_head(Http1Parser& parser, std::string_view bytes, uint8_t kind);

}  // namespace sluice::fuzz
