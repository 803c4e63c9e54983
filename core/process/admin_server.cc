// A client decides about no more memory than its own head; an answer is made when its whole request
// is there, and goes with its reader.
#include "core/process/admin_server.h"

#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "core/observe/limit_text.h"
#include "net/printable.h"
#include "net/sys.h"
#include "protocol/error_answer.h"

namespace sluice {

namespace {

constexpr size_t steps_a_run = 64;  // then others go first
constexpr size_t piece_bytes = 4096;
constexpr size_t most_dropped_bytes = 64 * 1024;
// What the kernel keeps of events that a client does not take; beyond, it is behind.
constexpr int most_unsent_event_bytes = 16 * 1024;

const AdminRules no_rules;

void add_guards(AnswerHead& head, std::string_view policy) {
  head.add("Cache-Control", "no-store");
  head.add("X-Content-Type-Options", "nosniff");
  head.add("Referrer-Policy", "no-referrer");
  head.add("Content-Security-Policy",
           policy.empty() ? "default-src 'none'; frame-ancestors 'none'" : policy);
}

std::string text_of(const AdminAnswer& answer, bool head_only) {
  AnswerHead head;
  head.status = answer.status;
  head.reason = answer.status == 200 ? "OK" : status_text(answer.status);
  head.add("Content-Type", answer.content_type);
  head.add_made("Content-Length", std::to_string(answer.body.size()));
  add_guards(head, answer.policy);
  if (!answer.allow.empty()) head.add("Allow", answer.allow);
  head.add("Connection", "close");
  std::string text = write_http1(head);
  if (!head_only) text += answer.body;
  return text;
}

AdminAnswer busy() {
  return refuse_admin(503, "too much waits for readers that are slow: try again in a while",
                      "too much unread");
}

// Its end is the connection's (RFC 9112 6.3).
std::string head_of_events() {
  AnswerHead head;
  head.status = 200;
  head.reason = "OK";
  head.add("Content-Type", "text/event-stream");
  add_guards(head, "");
  head.add("Connection", "close");
  return write_http1(head);
}

}  // namespace

AdminServer::AdminServer(Reactor& reactor, Log& log, AdminPages& pages)
    : reactor_(reactor),
      log_(log),
      pages_(pages),
      id_(reactor.attach(*this)),
      acceptor_(reactor, *this),
      rules_(&no_rules) {}

AdminServer::~AdminServer() {
  listen(-1);
  clients_.for_each([this](Handle handle, Client&) { drop(handle); });
}

void AdminServer::listen(int fd) {
  end_watchers([](const Client&) { return true; });
  if (listener_ >= 0) {
    acceptor_.remove(listener_);
    sys::close(std::exchange(listener_, -1));
  }
  if (fd < 0) return;
  try {
    const Status added = acceptor_.add(fd, 0, false);
    if (added.ok()) {
      listener_ = fd;
      return;
    }
    log_.error(LogLevel::error, "admin: " + added.fault().text());
  } catch (const std::bad_alloc&) {
    log_.error(LogLevel::error, "admin: out of memory: nobody is answered");
  }
  sys::close(fd);
}

template <class Which>
void AdminServer::end_watchers(Which which) {
  clients_.for_each([&](Handle handle, const Client& client) {
    if (client.stage == Stage::watching && which(client)) drop(handle);
  });
}

void AdminServer::use(const AdminRules& rules) {
  rules_ = &rules;
  end_watchers([&rules](const Client& client) { return !may_ask(client.address, rules); });
}

void AdminServer::tell_watchers() {
  if (watchers_ == 0) return;
  const std::string event = pages_.event();
  clients_.for_each([&](Handle handle, Client& client) {
    if (client.stage != Stage::watching || !client.out.empty()) return;
    if (answer_bytes_ + event.size() > most_answer_bytes) return;  // it misses this one
    queue(handle, client, event);
    serve(handle);
  });
}

void AdminServer::on_listener_lost(uint32_t) {
  log_.error(LogLevel::error,
             "admin: somebody shut the socket down; the next reload that changes its address "
             "opens another");
}

// Nothing where the client may ask and has a place.
std::optional<AdminAnswer> AdminServer::refusal_of(const Address& client) {
  if (!may_ask(client, *rules_)) {
    return refuse_admin(403,
                        "who comes from " + client.host_text() +
                            " may not ask here: name that address with admin_allow in the conf",
                        "not in admin_allow");
  }
  if (clients_.live() < most_clients || make_place()) return std::nullopt;
  return refuse_admin(
      503, std::to_string(most_clients) + " others are being answered: try again in a while",
      "too many clients");
}

void AdminServer::on_accept(int fd, const Address& client, uint32_t) {
  Handle handle;
  try {
    if (const auto refusal = refusal_of(client)) return turn_away(fd, client, *refusal);
    const ListenSettings& limits = rules_->limits;
    handle =
        clients_.create(fd, client, next_number_++,
                        Http1Parser::Limits{limits.max_header_bytes, limits.max_header_fields});
  } catch (const std::bad_alloc&) {
    sys::close(fd);
    return;
  }
  try {
    Status watched = reactor_.watch(fd, id_, handle, 0);
    if (watched.ok()) {
      clients_.get(handle)->timer.arm(reactor_, id_, handle,
                                      rules_->limits.client_header_timeout_ms);
      return;
    }
    log_.recurring(LogLevel::error, "watch", watched.fault().text());
  } catch (const std::bad_alloc&) {
  }
  drop(handle);
}

// The one that has been without a whole request for longest goes, as it would a little later.
bool AdminServer::make_place() {
  Handle longest;
  uint64_t number = UINT64_MAX;
  clients_.for_each([&](Handle handle, const Client& client) {
    const bool served = client.stage == Stage::answering || client.stage == Stage::watching;
    if (served || client.number >= number) return;
    longest = handle;
    number = client.number;
  });
  if (!longest) return false;
  log_.recurring(LogLevel::warn, "admin full",
                 "admin: " + std::to_string(most_clients) +
                     " connections, the oldest without a request is closed for a new one");
  drop(longest);
  return true;
}

// The answer finds room in a new socket.
void AdminServer::turn_away(int fd, const Address& client, const AdminAnswer& answer) {
  try {
    note(client, answer);
    // Closing with the request unread sends a RST, which may destroy the answer at the client.
    std::array<char, piece_bytes> dropped;
    for (int i = 0; i < 4 && sys::recv(fd, dropped.data(), dropped.size()) > 0; ++i) continue;
    const std::string text = text_of(answer, false);
    sys::send(fd, text.data(), text.size());
    sys::shutdown_write(fd);
  } catch (const std::bad_alloc&) {
  }
  sys::close(fd);
}

void AdminServer::note(const Address& client, const AdminAnswer& answer) {
  if (answer.abuse == nullptr) return;
  log_.recurring(LogLevel::warn, answer.abuse,
                 "admin: " + client.text() + " was told " + std::to_string(answer.status) + ": " +
                     answer.body.substr(0, answer.body.size() - 1));
}

void AdminServer::on_ready(Handle handle, unsigned, Readiness) {
  if (clients_.get(handle) != nullptr) serve(handle);
}

void AdminServer::on_run(Handle handle) {
  if (clients_.get(handle) != nullptr) serve(handle);
}

void AdminServer::serve(Handle handle) {
  Client& client = *clients_.get(handle);
  try {
    for (size_t i = 0; i < steps_a_run; ++i) {
      const Step next = step(handle, client);
      if (next == Step::wait) return;
      if (next == Step::drop) return drop(handle);
    }
    reactor_.enqueue(id_, handle);
  } catch (const std::bad_alloc&) {
    drop(handle);
  }
}

AdminServer::Step AdminServer::step(Handle handle, Client& client) {
  switch (client.stage) {
    case Stage::reading:
      return read_some(handle, client);
    case Stage::answering:
      return send_some(handle, client);
    case Stage::watching:
      if (client.out.empty()) break;
      // Who went is not found out by sending while nothing more finds room.
      if (const Step sent = send_some(handle, client); sent != Step::wait) return sent;
      break;
    case Stage::leaving:
      break;
  }
  return wave_off(client);
}

AdminServer::Step AdminServer::read_some(Handle handle, Client& client) {
  std::array<char, piece_bytes> piece;
  const ssize_t got = sys::recv(client.fd, piece.data(), piece.size());
  if (got == -EAGAIN) return Step::wait;
  if (got <= 0) return Step::drop;
  client.heard = true;
  const std::string_view bytes(piece.data(), static_cast<size_t>(got));
  switch (client.parser.feed_head(bytes).outcome) {
    case Http1Parser::Outcome::more:
      return Step::go_on;
    case Http1Parser::Outcome::failed:
      answer(handle, client,
             refuse_admin(client.parser.status(),
                          std::string("the request is none that is understood here: ") +
                              client.parser.reason(),
                          client.parser.reason()),
             false);
      return Step::go_on;
    case Http1Parser::Outcome::complete:
      break;
  }
  const AdminRequest request = read_admin_request(client.parser.request(), *rules_);
  if (request.refusal) {
    answer(handle, client, *request.refusal, client.parser.request().method == "HEAD");
  } else if (request.page == AdminPage::events) {
    watch(handle, client, request.head_only);
  } else {
    answer(handle, client, pages_.answer(request), request.head_only);
  }
  return Step::go_on;
}

void AdminServer::answer(Handle handle, Client& client, const AdminAnswer& answer, bool head_only) {
  note(client.address, answer);
  if (!queue(handle, client, text_of(answer, head_only))) {
    note(client.address, busy());
    client.out = text_of(busy(), head_only);
    answer_bytes_ += client.out.size();
  }
  client.stage = Stage::answering;
}

void AdminServer::watch(Handle handle, Client& client, bool head_only) {
  std::string text = head_of_events();
  if (watchers_ >= most_watchers) {
    return answer(handle, client,
                  refuse_admin(503,
                               std::to_string(most_watchers) +
                                   " others watch already: close a page, or ask for /status.json",
                               "too many watch"),
                  head_only);
  }
  if (!head_only) text += pages_.first_event() + pages_.event();
  if (!queue(handle, client, std::move(text))) return answer(handle, client, busy(), head_only);
  client.stage = head_only ? Stage::answering : Stage::watching;
  if (head_only) return;
  ++watchers_;
  sys::set_unsent_low_water(client.fd, most_unsent_event_bytes);  // a unix socket has none
}

// Its reader has answer_ms for it, also where there is no room for it (false).
bool AdminServer::queue(Handle handle, Client& client, std::string text) {
  reactor_.update_clock();  // to make it may have taken long
  client.timer.arm(reactor_, id_, handle, answer_ms);
  if (answer_bytes_ + text.size() > most_answer_bytes) return false;
  client.out = std::move(text);
  client.sent = 0;
  answer_bytes_ += client.out.size();
  return true;
}

AdminServer::Step AdminServer::send_some(Handle handle, Client& client) {
  const ssize_t sent =
      sys::send(client.fd, client.out.data() + client.sent, client.out.size() - client.sent);
  if (sent < 0) return sent == -EAGAIN ? Step::wait : Step::drop;
  client.sent += static_cast<size_t>(sent);
  if (client.sent < client.out.size()) return Step::go_on;
  answer_bytes_ -= std::exchange(client.out, {}).size();
  if (client.stage == Stage::watching) {
    client.timer.cancel(reactor_);
    return Step::go_on;
  }
  client.stage = Stage::leaving;
  sys::shutdown_write(client.fd);
  client.timer.arm(reactor_, id_, handle, lingering_ms);
  return Step::go_on;
}

AdminServer::Step AdminServer::wave_off(Client& client) {
  std::array<char, piece_bytes> piece;
  const ssize_t got = sys::recv(client.fd, piece.data(), piece.size());
  if (got == -EAGAIN) return Step::wait;
  if (got <= 0) return Step::drop;
  client.dropped += static_cast<size_t>(got);
  return client.dropped > most_dropped_bytes ? Step::drop : Step::go_on;
}

// Whoever said nothing is closed in silence, as browsers' connections ahead of need are.
void AdminServer::on_timer(Handle handle, unsigned) {
  Client* const client = clients_.get(handle);
  if (client == nullptr) return;
  client->timer.expired();
  if (client->stage == Stage::answering || client->stage == Stage::watching) {
    log_.recurring(LogLevel::warn, "admin slow reader",
                   "admin: " + client->address.text() + " did not read what it was told within " +
                       time_text(answer_ms) + ": its connection is closed");
  }
  if (client->stage != Stage::reading || !client->heard) return drop(handle);
  try {
    answer(handle, *client,
           refuse_admin(408,
                        "no whole request came within " +
                            time_setting_text("client_header_timeout",
                                              rules_->limits.client_header_timeout_ms),
                        "admin slow request"),
           false);
  } catch (const std::bad_alloc&) {
    return drop(handle);
  }
  serve(handle);
}

void AdminServer::drop(Handle handle) {
  Client& client = *clients_.get(handle);
  client.timer.cancel(reactor_);
  answer_bytes_ -= client.out.size();
  if (client.stage == Stage::watching) --watchers_;
  reactor_.unwatch(client.fd);
  sys::close(client.fd);
  clients_.retire(handle);
}

}  // namespace sluice
