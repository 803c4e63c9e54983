// One table from a reason to advice, and one from a status to its words where the reason says no
// more.
#include "protocol/error_answer.h"

#include <algorithm>
#include <iterator>

namespace sluice {

namespace {

struct Advice {
  std::string_view reason;
  std::string_view text;
};

constexpr Advice by_reason[] = {
    {"plain HTTP on a TLS port", "This port speaks TLS: connect with wss:// or https://."},
    {"TLS on a plain port",
     "This port does not speak TLS: connect with ws:// or http://, or to its TLS port."},
    {"PROXY protocol on a port without it",
     "This port takes no PROXY protocol header: the balancer in front must not send one."},
    {"no Host", "The request names no host: send exactly one Host field."},
    {"second Host", "The request names more than one host: send exactly one Host field."},
    {"malformed Host", "The Host field is no host with an optional port: send NAME or NAME:PORT."},
    {"no upgrade to websocket asked for",
     "This is a WebSocket address: connect with ws:// or wss://.\n"
     "(A WebSocket client sees this where a proxy on the way removes the Upgrade field.)"},
    {"Sec-WebSocket-Version is not 13",
     "Version 13 of the WebSocket protocol is spoken here: send Sec-WebSocket-Version: 13."},
    {"upgrade in HTTP/1.0",
     "A WebSocket handshake needs HTTP/1.1: a proxy on the way may have lowered the version."},
    {"Connection without upgrade",
     "The Connection field must say Upgrade: a proxy on the way may have removed it."},
    {"upgrade request with a body",
     "A WebSocket handshake has no body: leave out Content-Length and Transfer-Encoding."},
    {"malformed or doubled Sec-WebSocket-Key",
     "Sec-WebSocket-Key must stand once, with 16 random bytes in base64 (24 characters): a "
     "WebSocket library sends it so."},
    {"malformed Sec-WebSocket-Protocol",
     "Sec-WebSocket-Protocol must be a list of names, joined by commas."},
    {denied_reason, "Clients of this address may not connect here."},
    {origin_reason,
     "Pages of this origin may not open a WebSocket here: the operator of this address decides "
     "which may."},
    {subprotocol_reason,
     "A subprotocol must be agreed here, and none was offered that is spoken: name the right one "
     "when the WebSocket is made."},
    {no_password_reason, "A user and a password are asked for here."},
    {wrong_password_reason, "The user or the password is wrong."},
    {"CONNECT", "This server makes no tunnels to others."},
    {"method that is not forwarded", "Requests of this method are not forwarded here."},
    {drained_reason,
     "What is served here is being taken out of service and takes no new session: try again in a "
     "while."},
    {unresolved_reason,
     "The servers behind this address cannot be found just now: try again in a while."},
    {peers_full_reason,
     "The servers behind this address have as many sessions as they may: try again in a while."},
    {no_verdict_reason,
     "Whether you may come in cannot be found out just now: try again in a while, or give the "
     "operator the request id."},
    {overload_reason, "This server serves as many sessions as it may: try again in a while."},
    {client_connections_reason,
     "This address has as many connections here as one client may: close one, then try again."},
    {route_connections_reason,
     "As many clients are connected here as may be: try again in a while."},
    {client_handshakes_reason,
     "This address connects here more often than one client may: try again after the seconds that "
     "Retry-After names."},
    {client_table_reason, "This server counts as many clients as it can: try again in a while."},
    {handshake_rate_reason,
     "More clients come to this server at once than it lets in: try again after the seconds that "
     "Retry-After names."},
};

std::string advice_for(int status, std::string_view reason) {
  const auto* row = std::find_if(std::begin(by_reason), std::end(by_reason),
                                 [&](const Advice& each) { return each.reason == reason; });
  if (row != std::end(by_reason)) return std::string(row->text);
  switch (status) {
    case 401:
      return "Who comes here must show who they are, and what this request brought does not, or no "
             "longer: sign in again, then connect anew.";
    case 403:
      return "This client, or the page that it runs on, may not connect here.";
    case 404:
      return "Nothing is served at this host and path: check the address.";
    case 405:
      return "A WebSocket handshake is a GET request.";
    case 408:
      return "The request did not arrive whole within the time that it has: try again.";
    case 413:
      return "The request's body is larger than this server takes.";
    case 414:
      return "The address asked for is longer than this server takes: shorten its path or query.";
    case 426:
      return "This is a WebSocket address: connect with ws:// or wss://.";
    case 429:
      return "Too many requests: wait, then try again.";
    case 431:
      return "The request's header fields are more, or larger, than this server takes: cookies "
             "often are why, and deleting them helps.";
    case 500:
      return "Something went wrong in this server: give its operator the request id.";
    case 501:
      return "This method is not served here: a WebSocket handshake is a GET request.";
    case 502:
      return "The server behind this address could not be reached, or gave no usable answer: try "
             "again later, or give the operator the request id.";
    case 503:
      return "This server cannot take another session now: try again in a while.";
    case 504:
      return "The server behind this address did not answer in time: try again later, or give the "
             "operator the request id.";
    case 505:
      return "HTTP/1.1 is spoken here, and no other version.";
    default:
      return "The request is malformed: " + std::string(reason) + ".";
  }
}

}  // namespace

ErrorAnswer build_error_answer(int status, std::string_view reason, std::string_view request_id,
                               uint32_t retry_after_s, std::string_view allow,
                               std::string_view challenge) {
  ErrorAnswer answer;
  answer.body = std::to_string(status) + " " + std::string(status_text(status)) + "\n" +
                advice_for(status, reason) + "\nRequest id: ";
  answer.body.append(request_id).append("\n");
  AnswerHead& head = answer.head;
  head.status = status;
  head.reason = status_text(status);
  if (status == 401) head.add("WWW-Authenticate", challenge);
  if (status == 405) head.add("Allow", allow);
  if (status == 426) {
    head.add("Upgrade", "websocket");
    head.add("Sec-WebSocket-Version", "13");
  }
  if (status == 429 || status == 503) head.add_made("Retry-After", std::to_string(retry_after_s));
  head.add("Connection", status == 426 ? "Upgrade, close" : "close");
  head.add("X-Request-Id", request_id);
  head.add("Cache-Control", "no-store");
  head.add("Content-Type", "text/plain");
  head.add_made("Content-Length", std::to_string(answer.body.size()));
  return answer;
}

std::string_view status_text(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status < 400 ? "Other" : "Error";
  }
}

}  // namespace sluice
