// What a peer answers is judged by what judges answers to clients' handshakes: Forward reads it,
// check_upgrade_answer() looks at a 101.
#include "core/keeper/health_check.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/observe/limit_text.h"
#include "core/session/leg_tls.h"
#include "net/connector.h"
#include "net/scrap.h"
#include "net/sys.h"
#include "protocol/frame_codec.h"
#include "protocol/handshake.h"
#include "protocol/http1.h"
#include "protocol/proxy_protocol.h"

namespace sluice {

namespace {

using Kind = CheckSettings::Kind;

// How much of an answer's body, or of what a server sends before its Close, is read before the
// connection is closed all the same: read to its end, it ends without a RST.
constexpr size_t most_dropped_bytes = size_t{64} << 10;

// "200-399,404"
std::string text_of(const std::vector<CheckSettings::StatusRange>& ranges) {
  std::string text;
  for (const CheckSettings::StatusRange& each : ranges) {
    if (!text.empty()) text += ',';
    text += std::to_string(each.least);
    if (each.most != each.least) text += '-' + std::to_string(each.most);
  }
  return text;
}

std::string_view path_of(const CheckTarget& target) {
  if (!target.settings.path.empty()) return target.settings.path;
  return target.uri.path.empty() ? "/" : std::string_view(target.uri.path);
}

std::string_view host_of(const CheckTarget& target) {
  return target.settings.host.empty() ? target.uri.authority : target.settings.host;
}

// It names nobody: the connection is the proxy's own.
std::string proxy_header(SendProxyProtocol version) {
  if (version == SendProxyProtocol::off) return "";
  return version == SendProxyProtocol::v1 ? write_proxy_v1({}) : write_proxy_v2_local();
}

// The first of ours that is of the peer's kind; null: the system chooses.
const Address* address_of_ours(const CheckTarget& target) {
  for (const Address& each : target.settings.bind_addresses) {
    if (each.family() == target.address.family()) return &each;
  }
  return nullptr;
}

}  // namespace

std::string check_text(const CheckTarget& target) {
  switch (target.settings.kind) {
    case Kind::http:
      return "health_check http " + target.settings.path;
    case Kind::websocket:
      return "health_check websocket" +
             (target.settings.path.empty() ? "" : " " + target.settings.path);
    case Kind::tcp:
    case Kind::off:
      break;
  }
  return "health_check tcp";
}

HealthCheck::HealthCheck(Reactor& reactor, const Watch& watch, const CheckTarget& target)
    : reactor_(reactor), watch_(watch), target_(target) {
  leg_.detach();
}

HealthCheck::~HealthCheck() {
  leg_.close(reactor_, End::abort);
}

HealthCheck::Step HealthCheck::begin() {
  const Result<int> fd = start_connect(target_.address, address_of_ours(target_));
  if (!fd.ok()) {
    const int error = fd.fault().error;
    if (error != EMFILE && error != ENFILE && error != EADDRNOTAVAIL)
      return fail(PeerFault::error, fd.fault().text());
    why_ = fd.fault().text();
    return Step::unable;
  }
  if (const Status opened = leg_.open(reactor_, fd.value(), watch_); !opened.ok()) {
    why_ = opened.fault().text();
    return Step::unable;
  }
  return Step::wait;
}

HealthCheck::Step HealthCheck::run() {
  switch (stage_) {
    case Stage::connecting:
      return leg_.writable ? on_connected() : Step::wait;
    case Stage::introducing:
      return introduce();
    case Stage::securing:
      return secure();
    case Stage::asking:
      return ask();
    case Stage::leaving:
      break;
  }
  return part();
}

HealthCheck::Step HealthCheck::on_timeout() {
  const std::string limit = " within timeout=" + time_text(target_.settings.timeout_ms);
  switch (stage_) {
    case Stage::connecting:
      return fail(PeerFault::timeout, "no connection" + limit);
    case Stage::introducing:
      return fail(PeerFault::timeout, "its PROXY header was not taken" + limit);
    case Stage::securing:
      return fail(PeerFault::timeout, "no TLS handshake" + limit);
    case Stage::asking:
      return fail(PeerFault::timeout,
                  (forward_->begun() ? "no whole answer" : "no answer") + limit);
    case Stage::leaving:
      break;
  }
  return pass();
}

HealthCheck::Step HealthCheck::on_connected() {
  if (const int error = connect_outcome(leg_.fd()); error != 0) {
    return fail(PeerFault::error, Fault{"connect", error}.text());
  }
  introduction_ = Outgoing(proxy_header(target_.settings.send_proxy_protocol));
  return introduce();
}

HealthCheck::Step HealthCheck::introduce() {
  stage_ = Stage::introducing;
  switch (introduction_.send(leg_)) {
    case Outgoing::Step::sent:
      break;
    case Outgoing::Step::blocked:
      return Step::wait;
    case Outgoing::Step::failed:
      return fail(PeerFault::error, "lost before its PROXY header was sent");
  }
  if (target_.uri.secure) {
    std::unique_ptr<TlsTransport> tls =
        target_.tls->connect(leg_.fd(), target_.uri.host, tls_session_);
    tls_ = tls.get();
    leg_.wrap(std::move(tls));
    stage_ = Stage::securing;
    return secure();
  }
  return ask();
}

HealthCheck::Step HealthCheck::secure() {
  switch (shake_hands(leg_, *tls_)) {
    case TlsTransport::Handshake::done:
      return ask();
    case TlsTransport::Handshake::waiting:
      return Step::wait;
    case TlsTransport::Handshake::again:
      return Step::again;
    case TlsTransport::Handshake::failed:
    case TlsTransport::Handshake::plain_http:
      break;
  }
  const char* const failure = leg_.failure();
  std::string why = "TLS handshake: ";
  why += *failure != '\0' ? failure : "closed during it";
  if (const std::string& detail = tls_->detail(); !detail.empty()) why += ": " + detail;
  return fail(PeerFault::error, std::move(why));
}

HealthCheck::Step HealthCheck::ask() {
  if (target_.settings.kind == Kind::tcp) return pass();
  if (!forward_) forward_.emplace(leg_, request(), target_.settings.max_answer_header_bytes);
  stage_ = Stage::asking;
  switch (forward_->run()) {
    case Forward::Step::wait:
      return Step::wait;
    case Forward::Step::again:
      return Step::again;
    case Forward::Step::answered:
      return take_answer();
    case Forward::Step::malformed:
      return fail(PeerFault::invalid_answer,
                  std::string("its answer: ") + forward_->parser().reason());
    case Forward::Step::lost:
      break;
  }
  const char* const failure = leg_.failure();
  if (forward_->begun()) {
    return fail(PeerFault::invalid_answer, *failure != '\0'
                                               ? std::string("its answer broke off: ") + failure
                                               : "its answer broke off");
  }
  return fail(PeerFault::error, *failure != '\0' ? failure : "it closed before it answered");
}

std::string HealthCheck::request() {
  if (target_.settings.kind == Kind::websocket) return upgrade_request();
  RequestHead head;
  head.method = "GET";
  head.target = path_of(target_);
  head.add("Host", host_of(target_));
  head.add("User-Agent", "sluice");
  head.add("Accept", "*/*");
  head.add("Connection", "close");
  return write_http1(head);
}

// As a client's goes there that sent nothing but what RFC 6455 4.1 demands.
std::string HealthCheck::upgrade_request() {
  std::array<uint8_t, 16> random;
  sys::random_bytes(random.data(), random.size());
  key_ = handshake_key(random);
  UpgradeRequest upgrade;
  upgrade.key = key_;
  UpstreamRequest upstream;
  upstream.target = path_of(target_);
  upstream.host = host_of(target_);
  return write_http1(build_upstream_request(RequestHead(), upgrade, upstream));
}

HealthCheck::Step HealthCheck::take_answer() {
  const int status = forward_->answer().status;
  const std::string answered = "answered " + std::to_string(status) + ", not ";
  if (target_.settings.kind == Kind::websocket) {
    return status == 101 ? take_upgrade() : fail(PeerFault::status, answered + "101");
  }
  const auto& ranges = target_.settings.statuses;
  const bool well = std::any_of(ranges.begin(), ranges.end(), [status](const auto& each) {
    return status >= each.least && status <= each.most;
  });
  return well ? leave() : fail(PeerFault::status, answered + text_of(ranges));
}

HealthCheck::Step HealthCheck::take_upgrade() {
  UpgradeAnswer agreed;
  const char* const wrong = forward_->request_sent()
                                ? check_upgrade_answer(forward_->answer(), key_, {}, {}, agreed)
                                : "101 before the request was whole";
  if (wrong != nullptr) return fail(PeerFault::invalid_answer, std::string("its 101: ") + wrong);
  uint8_t mask[4];
  sys::random_bytes(mask, sizeof mask);
  uint8_t frame[max_control_frame_bytes];
  const size_t bytes = encode_close(CloseCode::normal, "", mask, frame);
  last_word_.text().assign(reinterpret_cast<const char*>(frame), bytes);
  return leave();
}

// The peer is well. What is left is to part from it as it expects: it ends the connection, behind
// its body or its Close (RFC 6455 7.1.1).
HealthCheck::Step HealthCheck::leave() {
  stage_ = Stage::leaving;
  return part();
}

HealthCheck::Step HealthCheck::part() {
  if (last_word_.send(leg_) == Outgoing::Step::failed) return pass();
  for (int round = 0; leg_.readable && dropped_bytes_ < most_dropped_bytes; ++round) {
    if (round == Forward::read_rounds) return Step::again;
    const iovec piece{scrap, sizeof scrap};
    const Io io = leg_.recv({&piece, 1});
    if (io.state == Io::State::blocked) break;
    if (io.state != Io::State::open) return pass();
    dropped_bytes_ += io.bytes;
  }
  return dropped_bytes_ < most_dropped_bytes ? Step::wait : pass();
}

HealthCheck::Step HealthCheck::pass() {
  leg_.close(reactor_, End::orderly);
  return Step::passed;
}

HealthCheck::Step HealthCheck::fail(PeerFault fault, std::string why) {
  fault_ = fault;
  why_ = std::move(why);
  leg_.close(reactor_, End::orderly);
  return Step::failed;
}

}  // namespace sluice
