// The handshake's server role: bytes of a request, in pieces, to a verdict or to a request for the
// upstream, which must be one head that says what it should and nothing more.
//   byte 0  1 small limits, 2 set_headers, 4 remove_headers, 8 protocols filtered, 16 keep_headers,
//           32 underscore_headers, 64 a client without an address
//   byte 1  how the bytes are cut
#include <algorithm>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "core/router.h"
#include "net/check.h"
#include "protocol/error_answer.h"
#include "protocol/handshake.h"
#include "tests/fuzz/head_oracle.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

using Outcome = Http1Parser::Outcome;

Http1Parser::Limits limits_of(uint8_t choice) {
  Http1Parser::Limits limits;
  limits.fields = 100;
  if ((choice & 1) != 0) limits = {.head_bytes = 400, .fields = 8};
  return limits;
}

void check_error_answer(int status) {
  static constexpr int known[] = {400, 405, 414, 426, 431, 501, 505};
  SLUICE_CHECK(std::find(std::begin(known), std::end(known), status) != std::end(known));
  const ErrorAnswer told = build_error_answer(status, "malformed field", "0-1");
  const std::string answer = write_http1(told.head) + told.body;
  Http1Parser parser(Http1Parser::Role::response, Http1Parser::Limits());
  const HeadReading reading = read_head(parser, answer, 0);
  SLUICE_CHECK(reading.outcome == Outcome::complete && parser.answer().status == status);
  check_accepted_head(std::string_view(answer).substr(0, reading.consumed), parser.answer());
  std::string body;
  const Http1Parser::Fed fed =
      parser.feed_body(std::string_view(answer).substr(reading.consumed), body);
  SLUICE_CHECK(fed.outcome == Outcome::complete);
  SLUICE_CHECK(reading.consumed + fed.consumed == answer.size());
}

// The rows of protocol/BAD_INPUT.md that a head alone decides, over what was accepted.
void check_accepted_request(const RequestHead& head, const UpgradeRequest& request) {
  SLUICE_CHECK(head.method == "GET" && head.minor_version == 1 && head.count("Host") == 1);
  SLUICE_CHECK(parse_authority(*head.find("Host")).ok());
  SLUICE_CHECK(has_list_token(head, "Upgrade", "websocket"));
  SLUICE_CHECK(has_list_token(head, "Connection", "upgrade"));
  SLUICE_CHECK(head.count("Transfer-Encoding") == 0 && head.count("Content-Length") <= 1);
  SLUICE_CHECK(head.count("Sec-WebSocket-Version") == 1 && head.count("Sec-WebSocket-Key") == 1);
  SLUICE_CHECK(request.key.size() == 24 && request.key == *head.find("Sec-WebSocket-Key"));
  SLUICE_CHECK(parse_authority(request.authority).value().host == request.host);
  const Result<RequestTarget> target = parse_request_target(head.target);
  SLUICE_CHECK(target.ok() && target.value().path == request.target.path);
  const bool absolute = !head.target.starts_with('/');
  SLUICE_CHECK(request.authority == (absolute ? target.value().authority : *head.find("Host")));
  std::vector<std::string_view> permitted = list_elements(head, "Sec-WebSocket-Extensions");
  std::erase_if(permitted, [](std::string_view offer) { return !offer_permitted(offer); });
  SLUICE_CHECK(request.deflate_offers == permitted);
}

// What a client's own field of that name may do; X-Forwarded-Proto and -Host are always ours here.
bool may_travel(std::string_view name, bool keeps, bool underscores) {
  for (const char* one : {"X-Forwarded-For", "x-real-ip", "X_Kept"}) {
    if (keeps && equals_ignoring_case(name, one)) return true;
  }
  static const std::regex plain("[A-Za-z0-9-]+");
  static const std::regex forwarding(
      "(x-)?forwarded|forwarded-for|x-forwarded-.*|x-original-forwarded-for|x-real-ip|"
      "(x-|x-cluster-|true-|fastly-|fly-)?client-ip|cf-connecting-ip(v6)?",
      std::regex::icase);
  const std::string text(name.substr(0, 1000));
  const std::string read_by_cgi = std::regex_replace(text, std::regex("[^A-Za-z0-9]"), "-");
  return (underscores || std::regex_match(text, plain)) &&
         !std::regex_match(read_by_cgi, forwarding);
}

void check_rebuilt(const RequestHead& head, const UpgradeRequest& request, uint8_t choice) {
  const HeaderField set[] = {{"X-Set", "one two"}, {"origin", "http://o.example"}};
  const std::string_view removed[] = {"Cookie"};
  const std::string_view keep[] = {"X-Forwarded-For", "x-real-ip", "X_Kept"};
  const std::string target =
      upstream_target(ServerUri(), "/", request.target.path, request.target.query);
  UpstreamRequest upstream;
  upstream.target = target;
  upstream.host = request.authority;
  if ((choice & 64) == 0) upstream.forwarded_for = "192.0.2.1";
  upstream.forwarded_proto = "http";
  upstream.forwarded_host = request.authority;
  if ((choice & 8) == 0) upstream.protocols = request.protocols;
  if ((choice & 2) != 0) upstream.set_headers = set;
  if ((choice & 4) != 0) upstream.remove_headers = removed;
  if ((choice & 16) != 0) upstream.keep_headers = keep;
  upstream.underscore_headers = (choice & 32) != 0;
  const std::string bytes = write_http1(build_upstream_request(head, request, upstream));

  Http1Parser parser(Http1Parser::Role::request, {.head_bytes = 64 * 1024});
  const HeadReading reading = read_head(parser, bytes, 0);
  SLUICE_CHECK(reading.outcome == Outcome::complete && reading.consumed == bytes.size());
  const RequestHead& built = parser.request();
  check_accepted_head(bytes, built);
  for (const char* once : {"Host", "Connection", "Upgrade", "Sec-WebSocket-Key",
                           "Sec-WebSocket-Version", "X-Forwarded-Proto", "X-Forwarded-Host"}) {
    SLUICE_CHECK(built.count(once) == 1);
  }
  SLUICE_CHECK(built.target == target && *built.find("Connection") == "Upgrade");
  SLUICE_CHECK(*built.find("Upgrade") == "websocket" && *built.find("Host") == request.authority);
  // Ours stands last in the list, or alone where the client's is not kept.
  const bool has_address = (choice & 64) == 0;
  const std::string_view* chain = built.find("X-Forwarded-For");
  SLUICE_CHECK(built.count("X-Forwarded-For") <= 1 && (!has_address || chain != nullptr));
  if (has_address) SLUICE_CHECK(chain->ends_with("192.0.2.1"));
  if ((choice & 16) == 0) SLUICE_CHECK(chain == nullptr || (has_address && chain->size() == 9));
  check_no_hop_by_hop(built, {});
  if ((choice & 4) != 0) SLUICE_CHECK(built.find("Cookie") == nullptr);
  if ((choice & 2) != 0) SLUICE_CHECK(built.count("X-Set") == 1 && built.count("Origin") == 1);
  const bool set_ours = (choice & 2) != 0;
  const auto kept = [&](const Head& from) {
    std::vector<HeaderField> fields =
        end_to_end_fields(from, {"host", set_ours ? "x-set" : "host", set_ours ? "origin" : "host",
                                 (choice & 4) != 0 ? "cookie" : "host"});
    std::erase_if(fields, [&](const HeaderField& field) {
      const bool chained = equals_ignoring_case(field.name, "X-Forwarded-For");
      return chained || !may_travel(field.name, (choice & 16) != 0, (choice & 32) != 0);
    });
    return fields;
  };
  check_same_fields(kept(head), kept(built));
  for (const HeaderField& field : built.fields) {
    SLUICE_CHECK(field.name.find('_') == std::string_view::npos || (choice & (16 | 32)) != 0);
  }

  UpgradeRequest again;
  SLUICE_CHECK(!check_upgrade_request(built, again));
  SLUICE_CHECK(again.key == request.key && again.target.path == request.target.path &&
               again.target.query == request.target.query && again.host == request.host);
  SLUICE_CHECK(again.deflate_offers == request.deflate_offers);
  if ((choice & 8) == 0) SLUICE_CHECK(again.protocols == request.protocols);
}

void run(Input input) {
  const uint8_t choice = input.byte();
  const uint8_t own_split = input.byte();
  const std::string_view bytes = text_of(input.rest());
  std::optional<HeadReading> first;
  for (size_t i = 0; i < splits; ++i) {
    Http1Parser parser(Http1Parser::Role::request, limits_of(choice));
    const HeadReading reading = read_head(parser, bytes, split_kind(i, own_split));
    if (first) SLUICE_CHECK(reading == *first);
    first = reading;
    if (reading.outcome == Outcome::failed) check_error_answer(reading.status);
    if (reading.outcome != Outcome::complete) continue;
    const RequestHead& head = parser.request();
    check_accepted_head(bytes.substr(0, reading.consumed), head);
    SLUICE_CHECK(head.fields.size() <= limits_of(choice).fields);
    SLUICE_CHECK(reading.consumed <= limits_of(choice).head_bytes);
    UpgradeRequest request;
    if (const auto refusal = check_upgrade_request(head, request)) {
      check_error_answer(refusal->status);
    } else if (i == 2) {
      check_accepted_request(head, request);
      check_rebuilt(head, request, choice);
    }
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
