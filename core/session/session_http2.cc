// Session: what HTTP/2 adds, the end of one whose connection turns out to speak it, and the begin
// of one whose client's leg is a stream of such a connection.
#include <memory>
#include <utility>

#include "core/session/exchange.h"
#include "core/session/http2_connections.h"
#include "core/session/session.h"

namespace sluice {

// The connection is its streams' from here on; nothing of this session is left to be told.
void Session::hand_over() {
  const Refusal* const refused = exchange_->refused();
  KeptConnection connection = exchange_->take_connection();
  connection.address = client_;
  Http2Start start{.connection = std::move(connection),
                   .config = config_,
                   .listener = listener_,
                   .number = id_,
                   .refused = refused,
                   .counted = (counted_ & counted_at_listener) != 0};
  context_.row.http2_connections.add(1);
  context_.http2->adopt(leg(Side::client), std::move(start));
  counted_ = 0;  // the connection's now
  close({});
}

void Session::start(std::unique_ptr<Http2ClientStream> stream, const Refusal* refused) {
  const Http2Connection& connection = stream->connection();
  Preface* const preface = connection.preface();
  const uint64_t number = connection.number();
  leg(Side::client)
      .open_stream(std::move(stream), {context_.handler, self(), index_of(Side::client)});
  arm_timer(listener().client_header_timeout_ms);
  exchange_ = new Exchange(lent(), refused, preface, number);
  state_ = State::exchanging;
  follow(exchange_->begin());
}

}  // namespace sluice
