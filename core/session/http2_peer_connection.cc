// How a connection to a peer comes to speak HTTP/2, and when it takes no more streams.
#include "core/session/http2_peer_connection.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "core/observe/log.h"
#include "core/session/http2_peers.h"
#include "core/session/leg_tls.h"
#include "net/connector.h"
#include "tls/client.h"

namespace sluice {

namespace {

constexpr const char* peer_not_reached = "no peer could be reached";
constexpr const char* peer_lost = "the upstream's HTTP/2 connection was lost";
constexpr const char* broke_http2 = "the upstream broke HTTP/2";
constexpr const char* no_http2 =
    "it does not speak HTTP/2: write upstream_http auto, or 1, for this upstream";
// Who waits has a time of its own, which is over first and names its directive.
constexpr uint64_t grace_ms = 1'000;

Http2Settings settings_of(const Http2PeerTerms& terms) {
  return {.role = Http2Role::client, .stream_window = terms.settings.h2_stream_window_bytes};
}

}  // namespace

Http2PeerStream::Http2PeerStream(Http2PeerConnection& connection, uint32_t most_head_bytes)
    : Http2Stream(connection, 0, Http2Message::request(connection.secure())),
      connection_(connection),
      most_head_bytes_(most_head_bytes) {}

void Http2PeerStream::tell_head(const Http2Message& message, bool, bool end) {
  asked_ = message.asked();
  id_ = connection_.ask(*this, message.fields(), end, most_head_bytes_);
  if (id_ != 0) return;
  on_lost("the upstream's HTTP/2 connection takes no more streams");
  refused_ = true;
}

void Http2PeerStream::on_reply(const Http2Reply& reply, bool ended) {
  heard_ = true;
  put_text(reply.text(asked_, ended), reply.is_chunked(asked_, ended));
  on_news();
}

void Http2PeerStream::on_closed(Http2End end) {
  if (is_over()) return;
  heard_ = true;
  refused_ = end == Http2End::refused;
  Http2Stream::on_closed(end);
}

const char* Http2PeerStream::text_of(Http2End end) const {
  switch (end) {
    case Http2End::refused:
      return "the upstream refused the HTTP/2 stream";
    case Http2End::broken:
      return "the upstream's answer is no HTTP/2";
    case Http2End::whole:
    case Http2End::reset:
      break;
  }
  return "the upstream reset its HTTP/2 stream";
}

Http2PeerConnection::Http2PeerConnection(WorkerContext& context, Http2Shared& shared,
                                         Http2PeerTerms terms)
    : Http2Link(context, shared, settings_of(terms), peer_lost),
      terms_(std::move(terms)),
      peer_(context.upstreams.peers().at(terms_.peer)) {
  context_.upstreams.peers().hold(terms_.peer);
  mute_ = true;  // until TLS is agreed upon
}

Http2PeerConnection::~Http2PeerConnection() {
  on_leg_closed();  // it may never have had one
}

// Another peer may have its number from here on.
void Http2PeerConnection::on_leg_closed() noexcept {
  if (std::exchange(holds_peer_, false)) context_.upstreams.peers().release(terms_.peer);
}

void Http2PeerConnection::begin(Handle self) {
  self_ = self;
  begun_ms_ = now_ms();
  Result<int> fd = start_connect(peer_.address);
  if (!fd.ok() && fd.fault().error == EMFILE) {
    context_.upstream_pool.close_all();  // connections that nobody uses give way
    context_.http2_peers->end_idle();
    fd = start_connect(peer_.address);
  }
  if (!fd.ok()) {
    error_ = fd.fault().error;
    return fail(peer_not_reached, fd.fault().text());
  }
  const Watch watch{shared_.handler, self, 0};
  if (const Status opened = leg_.open(context_.reactor, fd.value(), watch); !opened.ok()) {
    return fail(peer_not_reached, opened.fault().text());
  }
  arm(terms_.connect_timeout_ms + grace_ms);
}

void Http2PeerConnection::on_ready(Readiness ready) {
  if (closed_) return;
  if (!is_before_http2()) return Http2Link::on_ready(ready);
  leg_.note(ready);
  advance();
}

void Http2PeerConnection::resume() {
  if (is_before_http2()) return advance();
  read();
}

void Http2PeerConnection::advance() {
  if (state_ == State::connecting && leg_.writable) return on_connected();
  if (state_ == State::securing) secure_leg();
}

void Http2PeerConnection::on_connected() {
  if (const int error = connect_outcome(leg_.fd()); error != 0) {
    error_ = error;
    return fail(peer_not_reached, Fault{"connect", error}.text());
  }
  context_.row.connects_ms.add(now_ms() - begun_ms_);
  arm(terms_.handshake_timeout_ms + grace_ms);
  wake();
  if (!secure()) return greet();
  const Alpn offer =
      terms_.settings.upstream_http == UpstreamHttp::two ? Alpn::http2 : Alpn::http2_or_http1;
  std::unique_ptr<TlsTransport> tls =
      terms_.secured_by->connect(leg_.fd(), peer_.uri.host, peer_.tls_session, offer);
  tls_ = tls.get();
  leg_.wrap(std::move(tls));
  state_ = State::securing;
  secure_leg();
}

void Http2PeerConnection::secure_leg() {
  switch (shake_hands(leg_, *tls_)) {
    case TlsTransport::Handshake::done:
      context_.row.tls_with_upstreams.count(tls_->version(), tls_->resumed());
      if (tls_->speaks_http2()) return greet();
      if (terms_.settings.upstream_http == UpstreamHttp::two) return fail(no_http2, no_http2);
      state_ = State::http1;
      return wake();
    case TlsTransport::Handshake::waiting:
      return;
    case TlsTransport::Handshake::again:
      return put_off();
    case TlsTransport::Handshake::failed:
    case TlsTransport::Handshake::plain_http:
      break;
  }
  context_.row.tls_with_upstreams.failed.add(1);
  const char* failure =
      *leg_.failure() != '\0' ? leg_.failure() : "closed during the TLS handshake";
  std::string told = std::string("TLS handshake: ") + failure;
  if (const std::string& detail = tls_->detail(); !detail.empty()) told += ": " + detail;
  if (told.find("no application protocol") != std::string::npos) (told += ": ") += no_http2;
  peer_.tls_session.keep(nullptr);  // it may have been resuming a session
  fail(failure, std::move(told));
}

// Our preface; the peer's settings say what may be asked of it.
void Http2PeerConnection::greet() {
  state_ = State::greeting;
  mute_ = false;
  note_work();
  if (leg_.readable) put_off();
}

void Http2PeerConnection::on_input() {
  doubtful_ = false;
  if (state_ == State::greeting && session_.heard_settings()) {
    state_ = State::open;
    context_.row.http2_peer_connections.add(1);
    arm(terms_.keepalive_timeout_ms);
    wake();
    if (retiring_) retire();
  }
  announce_news();
  if (state_ == State::greeting && session_.over()) return fail(no_http2, no_http2);
  if (state_ == State::open && !session_.may_ask()) retire();
  // Nothing more is read: where its last word cannot be sent, the timer ends it.
  if (session_.over()) arm(terms_.handshake_timeout_ms);
}

void Http2PeerConnection::on_output() {
  tell_waiting();
  announce_news();
  if (closed_ || unsent_bytes() > 0 || session_.wants_output()) return;
  if (session_.over()) {
    if (*session_.fault() == '\0') return close(peer_lost, End::orderly);
    context_.log.recurring(
        LogLevel::warn, session_.fault(),
        "peer " + peer_.name + ": its HTTP/2 connection was ended: " + session_.fault());
    return close(broke_http2, End::orderly);
  }
  if (state_ != State::retired || !streams_.empty() || session_.has_streams()) return;
  session_.terminate(Http2Code::no_error, "");  // behind the ends of its streams
  note_work();
}

void Http2PeerConnection::on_left(Http2Stream& stream) {
  if (!stream.heard() && stream.id() != 0 && !std::exchange(doubtful_, true)) session_.ping();
  if (!streams_.empty()) return;
  if (state_ == State::retired || context_.leaving) return retire();
  if (state_ == State::open) arm(terms_.keepalive_timeout_ms);
}

void Http2PeerConnection::on_timer() {
  timer_.expired();
  if (closed_) return;
  if (!is_awaited() && session_.over()) return close(broke_http2, End::abort);
  switch (state_) {
    case State::open:
      if (!waiters_.empty()) return arm(terms_.keepalive_timeout_ms);
      if (streams_.empty()) retire();
      return;
    case State::connecting:
      return fail(peer_not_reached, "connect: timed out");
    case State::securing:
      return fail("timed out", "TLS handshake: timed out");
    case State::greeting:
      return fail("timed out", "HTTP/2: no settings came in time");
    case State::http1:
      return close(peer_lost, End::orderly);
    case State::failed:
    case State::retired:
      if (streams_.empty()) close(peer_lost, End::orderly);
      return;
  }
}

bool Http2PeerConnection::has_room() const {
  if (closed_ || doubtful_) return false;
  if (is_awaited()) return !retiring_ && waiters_.size() < terms_.settings.h2_streams;
  // Some streams have not asked yet, and some that nobody has any more are still open.
  const size_t taken = std::max<size_t>(streams_.size(), session_.open_streams());
  return state_ == State::open && session_.may_ask() && taken < most_streams();
}

uint32_t Http2PeerConnection::most_streams() const {
  return std::min(terms_.settings.h2_streams, session_.most_streams());
}

void Http2PeerConnection::forget(Handle session) {
  const auto found = std::find(waiters_.begin(), waiters_.end(), session);
  if (found != waiters_.end()) waiters_.erase(found);
  if (!waiters_.empty()) return;
  if (state_ == State::http1 && leg_.is_open()) close(peer_lost, End::orderly);  // nobody wants it
  note_work();
}

// They ask again, and see.
void Http2PeerConnection::wake() noexcept try {
  for (const Handle session : waiters_) context_.reactor.enqueue(context_.handler, session);
} catch (const std::bad_alloc&) {
  // Their own timers run.
}

void Http2PeerConnection::fail(const char* reason, std::string text) {
  failure_ = reason;
  failure_text_ = std::move(text);
  close(reason, End::orderly);
}

void Http2PeerConnection::on_closing() noexcept {
  if (is_awaited()) {
    if (*failure_ == '\0') failure_ = state_ == State::greeting ? no_http2 : peer_lost;
    state_ = State::failed;
  } else if (state_ == State::open) {
    state_ = State::retired;
  }
  wake();
}

void Http2PeerConnection::retire() {
  if (closed_ || state_ == State::failed) return;
  if (is_awaited() && !waiters_.empty()) {
    retiring_ = true;  // else they would be told of a loss
    return;
  }
  if (is_awaited() || state_ == State::http1) return close(peer_lost, End::orderly);
  state_ = State::retired;
  if (!streams_.empty()) return;
  arm(terms_.handshake_timeout_ms);
  note_work();
}

// Its GOAWAY goes out where the socket takes it.
void Http2PeerConnection::end_now() {
  retire();
  flush();
  flush();
  close("nobody uses it", End::orderly);
}

int32_t Http2PeerConnection::ask(Http2Stream& stream, const std::vector<Http2Field>& fields,
                                 bool end, uint32_t most_head_bytes) {
  if (closed_ || !session_.may_ask()) return 0;
  note_work();
  const int32_t id = session_.ask(stream, fields, end, most_head_bytes, output());
  if (id != 0) context_.row.http2_peer_streams.add(1);
  return id;
}

}  // namespace sluice
