// Plain HTTP: Http1Parser has judged each line, here the lines are judged together.
#include "protocol/plain_http.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "protocol/end_to_end.h"

namespace sluice {

namespace {

// 1*DIGIT (RFC 9110 8.6). Below 2^63, since others count in signed numbers.
bool read_length(std::string_view digits, uint64_t& length) {
  const char* const end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, length);
  return error == std::errc() && stopped == end && length >> 63 == 0;
}

void add_end_to_end(AnswerHead& built, const AnswerHead& head) {
  built.status = head.status;
  built.reason = head.reason;
  const EndToEnd end_to_end(head);
  for (const HeaderField& field : head.fields) {
    if (end_to_end.keeps(field.name)) built.fields.push_back(field);
  }
}

}  // namespace

std::optional<Refusal> request_framing(const RequestHead& head, MessageFraming& framing) {
  framing = {};
  const size_t codings = head.count("Transfer-Encoding");
  const size_t lengths = head.count("Content-Length");
  if (codings > 0 && lengths > 0) {
    return Refusal{400, "both Transfer-Encoding and Content-Length"};
  }
  if (codings > 0) {
    if (codings > 1 || !equals_ignoring_case(*head.find("Transfer-Encoding"), "chunked")) {
      return Refusal{501, "Transfer-Encoding other than chunked"};
    }
    framing.kind = BodyFraming::chunked;
  } else if (lengths > 0) {
    if (lengths > 1 || !read_length(*head.find("Content-Length"), framing.length)) {
      return Refusal{400, "malformed or doubled Content-Length"};
    }
    framing.kind = BodyFraming::length;
  }
  return std::nullopt;
}

bool method_is_served(std::string_view method) {
  return method != "CONNECT" && method != "TRACE";
}

bool method_is_idempotent(std::string_view method) {
  constexpr std::array<std::string_view, 5> idempotent = {"GET", "HEAD", "OPTIONS", "PUT",
                                                          "DELETE"};
  return std::find(idempotent.begin(), idempotent.end(), method) != idempotent.end();
}

bool asks_of_server(const RequestHead& head, const RequestTarget& target) {
  if (head.method != "OPTIONS") return false;
  if (head.target == "*") return true;
  const std::string_view authority = target.authority;  // a part of the absolute-form
  return !authority.empty() &&
         authority.data() + authority.size() == head.target.data() + head.target.size();
}

bool wants_keep_alive(const Head& head) {
  return head.minor_version > 0 && !has_list_token(head, "Connection", "close");
}

bool binds_its_connection(const Head& head) {
  constexpr std::array<std::string_view, 6> fields = {"Authorization",       "Proxy-Authorization",
                                                      "WWW-Authenticate",    "Proxy-Authenticate",
                                                      "Authentication-Info", "Persistent-Auth"};
  bool bound = head.find("Persistent-Auth") != nullptr;
  for (const HeaderField& field : head.fields) {
    if (std::none_of(fields.begin(), fields.end(), [&](std::string_view name) {
          return equals_ignoring_case(name, field.name);
        })) {
      continue;
    }
    for_each_element(field.value, [&bound](std::string_view element) {
      const std::string_view scheme = element.substr(0, element.find(' '));
      bound = bound || equals_ignoring_case(scheme, "Negotiate") ||
              equals_ignoring_case(scheme, "NTLM");
    });
  }
  return bound;
}

bool may_have_stray_body(const RequestHead& request, const AnswerHead& answer) {
  if (request.method == "HEAD") return true;
  if (answer.status != 204 && answer.status != 304) return false;
  const std::string_view* const length = answer.find("Content-Length");
  return answer.find("Transfer-Encoding") != nullptr || (length != nullptr && *length != "0");
}

RequestHead build_plain_request(const RequestHead& head, const MessageFraming& framing,
                                const UpstreamRequest& upstream) {
  RequestHead built = build_forwarded_request(head, upstream);
  built.minor_version = head.minor_version;
  if (!upstream.keep_alive) built.add("Connection", "close");
  if (framing.kind == BodyFraming::length) {
    built.add_made("Content-Length", std::to_string(framing.length));
  } else if (framing.kind == BodyFraming::chunked) {
    built.add("Transfer-Encoding", "chunked");
  }
  return built;
}

AnswerHead build_plain_answer(const AnswerHead& head, BodyFraming framing, uint64_t content_length,
                              bool keep_alive) {
  AnswerHead built;
  add_end_to_end(built, head);
  if (!keep_alive) built.add("Connection", "close");
  const std::string_view* const told = head.find("Content-Length");
  if (framing == BodyFraming::length) {
    built.add_made("Content-Length", std::to_string(content_length));
  } else if (framing == BodyFraming::chunked) {
    built.add("Transfer-Encoding", "chunked");
  } else if (framing == BodyFraming::none && told != nullptr && head.status != 204) {
    built.add("Content-Length", *told);  // of what a GET would have got (RFC 9110 8.6)
  }
  return built;
}

AnswerHead build_interim_answer(const AnswerHead& head) {
  AnswerHead built;
  add_end_to_end(built, head);
  return built;
}

}  // namespace sluice
