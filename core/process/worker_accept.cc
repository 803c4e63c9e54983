// Worker: what becomes of clients: of those that come, of those beyond a listener's handshake_rate,
// who take no session's place, and of those who may ask again when nobody is served any more.
#include <string>

#include "core/observe/limit_text.h"
#include "core/process/worker.h"
#include "core/session/client_seats.h"
#include "net/sys.h"

namespace sluice {

namespace {

// So many that looking for them costs each client little whose place one was.
constexpr size_t idle_ended_at_once = 64;

std::string rate_text(const RateLimit& rate) {
  return std::to_string(rate.a_second) + "/s burst=" + std::to_string(rate.burst);
}

}  // namespace

void Worker::on_accept(int fd, const Address& client, uint32_t listener) {
  make_room();
  row_.accepted.add(1);
  context_.labels.listener(ListenerId{listener}).accepted.add(1);
  const ListenConfig& of_listener = this->listener(listener);
  const auto turn_it_away = [&](TurnedAway why, const Refusal& refusal) {
    row_.turned_away.add(1);
    count_turned_away(listener, why);
    turn_away(fd, client, of_listener, refusal);
  };
  if (!admission_.has_place(places_taken())) {
    attempt([&] { note_overload(); });
    return turn_it_away(TurnedAway::no_place, Admission::overload());
  }
  const bool denied = of_listener.knows_client_at_accept() && !of_listener.access.admit(client);
  if (denied && of_listener.tls != nullptr) {
    return turn_it_away(TurnedAway::denied, Admission::denied());
  }
  const Refusal* const drained = context_.drained.refusal(of_listener.id);
  if (drained != nullptr && of_listener.tls != nullptr) {
    return turn_it_away(TurnedAway::drained, *drained);
  }
  const Refusal* const refused = admission_.refusal(places_taken() + 1, context_.lingering_now);
  if (refused != nullptr) attempt([&] { note_overload(); });
  const Refusal* const other = denied ? &Admission::denied() : drained;
  if (refused != nullptr || other != nullptr || of_listener.most_per_client == 0) {
    return begin_session(fd, client, listener, refused != nullptr ? refused : other);
  }
  bool counted = false;
  const Refusal* const limited = limit_client(client, of_listener, counted);
  if (limited != nullptr && of_listener.tls != nullptr) {
    const bool full = limited == &Admission::no_room_to_count();
    return turn_it_away(full ? TurnedAway::table : TurnedAway::client, *limited);
  }
  begin_session(fd, client, listener, limited, counted);
}

// Why it gets no session; null: it may have one, and `counted` says whether that is counted.
const Refusal* Worker::limit_client(const Address& client, const ListenConfig& listener,
                                    bool& counted) {
  const Refusal* refusal = nullptr;
  attempt([&] {
    const auto limit = enter_listener(context_.clients, ClientAddress(client), listener, counted);
    if (!limit) return;
    const bool full = *limit == ClientLimit::table;
    refusal = full ? &Admission::no_room_to_count() : &Admission::too_many_of_client();
    row_.limited[static_cast<size_t>(*limit)].add(1);
    const uint32_t entries = context_.config->client_table_size;
    log_.recurring(LogLevel::notice, refusal->reason,
                   "listen " + listener.address.text() + ": " +
                       (full ? "client_table_size " + std::to_string(entries)
                             : "limit_connections " + std::to_string(listener.most_per_client) +
                                   " per client") +
                       " reached by " + client.host_text() + ": it is " +
                       (listener.tls != nullptr ? "closed"
                        : full                  ? "told 503"
                                                : "told 429") +
                       "; raise it" + (full ? "" : " if many users share that address"));
  });
  return refusal;
}

void Worker::on_hold_back(uint32_t listener) {
  row_.held_back.add(1);
  const ListenConfig& held = this->listener(listener);
  attempt([&] {
    log_.recurring(LogLevel::notice, "handshake_rate",
                   "listen " + held.address.text() + ": handshake_rate " +
                       rate_text(held.handshake_rate) +
                       " reached: accepting pauses, and clients wait in the backlog; raise it if "
                       "this machine can do more handshakes");
  });
}

// In TLS nothing can be said before its handshake, which is what costs.
void Worker::on_refuse(int fd, const Address& client, uint32_t listener) {
  row_.accepted.add(1);
  row_.rate_refused.add(1);
  context_.labels.listener(ListenerId{listener}).accepted.add(1);
  const ListenConfig& refusing = this->listener(listener);
  attempt([&] {
    log_.recurring(LogLevel::warn, "handshake_queue_time",
                   "listen " + refusing.address.text() + ": clients waited for handshake_rate " +
                       rate_text(refusing.handshake_rate) + " as long as " +
                       time_setting_text("handshake_queue_time", refusing.handshake_queue_time_ms) +
                       ": those who wait are " + (refusing.tls != nullptr ? "closed" : "told 503") +
                       "; raise either if this machine can do more handshakes, else add machines");
  });
  uint32_t random = 0;
  sys::random_bytes(&random, sizeof random);
  const Refusal& refusal = handshake_rate_refusal(random);
  const bool patience = admission_.has_patience(places_taken(), context_.lingering_now);
  if (refusing.tls != nullptr || !patience) {
    count_turned_away(listener, TurnedAway::rate);
    return turn_away(fd, client, refusing, refusal);
  }
  begin_session(fd, client, listener, &refusal);
}

// Before anybody is refused, some of those go who have their answers.
void Worker::make_room() {
  const bool full = admission_.refusal(places_taken() + 1, context_.lingering_now) != nullptr;
  if (full && context_.waiting_now > 0) end_idle_connections(idle_ended_at_once);
  if (full) http2_.end_idle(idle_ended_at_once);
  if (!admission_.has_place(places_taken())) end_oldest_lingering();
}

// Clients know that a kept connection may end at any time (RFC 9112 9.5).
void Worker::end_idle_connections(size_t most) {
  sessions_.for_each([&most](Handle, Session& session) {
    if (most == 0 || !session.awaits_request()) return;
    session.close({});
    --most;
  });
}

void Worker::count_turned_away(uint32_t listener, TurnedAway why) {
  row_.without_session.add(1);
  context_.labels.listener(ListenerId{listener}).turned_away[static_cast<size_t>(why)].add(1);
}

}  // namespace sluice
