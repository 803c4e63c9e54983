// What may follow a TLS handshake is little: data, alerts, in TLS 1.3 changes of keys and tickets,
// in TLS 1.2 the wish to renegotiate. Everything else ends the leg.
#include "tls/records.h"

#include <algorithm>
#include <utility>

#include "net/check.h"

namespace sluice {

namespace {

// RFC 8446 4, RFC 5246 7.4.
enum class Message : uint8_t {
  hello_request = 0,
  client_hello = 1,
  new_session_ticket = 4,
  key_update = 24,
};

// A message that is skipped is no longer than OpenSSL takes it.
constexpr uint32_t most_skipped_bytes = 128 * 1024;

constexpr uint8_t warning = 1;
constexpr uint8_t fatal = 2;

}  // namespace

TlsRecords::TlsRecords(TlsLegKeys keys, uint32_t silent_records)
    : keys_(std::move(keys)), most_silent_(silent_records == 0 ? UINT32_MAX : silent_records) {}

TlsRecords::Taken TlsRecords::take(std::span<uint8_t> window, Output& answers) {
  SLUICE_CHECK(answers.room.size() - answers.bytes >= most_answer_bytes);
  if (failure_ != Failure::none) return Taken{Kind::failed, 0, {}};
  if (closed_in_) return Taken{Kind::closed, window.size(), {}};  // RFC 8446 6.1: ignored
  if (window.size() < tls_header_bytes) return Taken{Kind::partial, 0, {}};
  if (window[1] != 3) return fail(Failure::own_alert, TlsAlert::protocol_version, answers);
  const size_t body_bytes = static_cast<size_t>(window[3] << 8 | window[4]);
  if (body_bytes > most_tls_body_bytes) {
    return fail(Failure::own_alert, TlsAlert::record_overflow, answers);
  }
  const size_t bytes = tls_header_bytes + body_bytes;
  if (window.size() < bytes) return Taken{Kind::partial, 0, {}};
  const OpenedRecord record = open_record(keys_.cipher, keys_.in, window.first(bytes));
  if (!record.ok) return fail(Failure::own_alert, record.alert, answers);
  return take_opened(record, bytes, answers);
}

TlsRecords::Taken TlsRecords::take_opened(const OpenedRecord& record, size_t bytes,
                                          Output& answers) {
  const bool data = record.type == TlsContent::application_data;
  // Nothing comes between the parts of a handshake message (RFC 8446 5.1).
  if (header_bytes_ != 0 && record.type != TlsContent::handshake) {
    return fail(Failure::own_alert, TlsAlert::unexpected_message, answers);
  }
  if (data && !record.content.empty()) {
    silent_ = warnings_ = 0;
    return Taken{Kind::data, bytes, record.content};
  }
  if (record.type == TlsContent::alert) return take_alert(record.content, bytes, answers);
  if (!data && record.type != TlsContent::handshake) {
    return fail(Failure::own_alert, TlsAlert::unexpected_message, answers);
  }
  const bool good = count_silent(answers) && (data || take_handshake(record.content, answers));
  return Taken{good ? Kind::silent : Kind::failed, good ? bytes : 0, {}};
}

bool TlsRecords::count_silent(Output& answers) {
  if (silent_ < most_silent_) {
    ++silent_;
    return true;
  }
  fail(Failure::silence, TlsAlert::unexpected_message, answers);
  return false;
}

// Whole in its record (RFC 8446 5.1; OpenSSL takes no others of TLS 1.2, either). In TLS 1.3 the
// level says nothing: all are fatal but two (RFC 8446 6).
TlsRecords::Taken TlsRecords::take_alert(std::span<const uint8_t> content, size_t bytes,
                                         Output& answers) {
  if (content.size() != 2) {
    const bool empty = content.empty();
    return fail(Failure::own_alert, empty ? TlsAlert::unexpected_message : TlsAlert::decode_error,
                answers);
  }
  const auto alert = static_cast<TlsAlert>(content[1]);
  const bool level_is_warning = content[0] == warning;
  if (!keys_.cipher.tls13 && !level_is_warning && content[0] != fatal) {
    return fail(Failure::own_alert, TlsAlert::illegal_parameter, answers);
  }
  if (alert == TlsAlert::close_notify && (keys_.cipher.tls13 || level_is_warning)) {
    closed_in_ = true;
    return Taken{Kind::closed, bytes, {}};
  }
  if (keys_.cipher.tls13 ? alert == TlsAlert::user_canceled : level_is_warning) {
    const bool good = count_silent(answers) && count_warning(answers);
    return Taken{good ? Kind::silent : Kind::failed, good ? bytes : 0, {}};
  }
  closed_out_ = true;  // nothing is sent to a peer that has given up
  return fail(Failure::peers_alert, alert, answers);
}

bool TlsRecords::count_warning(Output& answers) {
  if (warnings_++ < most_warnings) return true;
  fail(Failure::own_alert, TlsAlert::unexpected_message, answers);
  return false;
}

bool TlsRecords::take_handshake(std::span<const uint8_t> content, Output& answers) {
  if (content.empty()) {
    fail(Failure::own_alert, TlsAlert::unexpected_message, answers);
    return false;
  }
  while (!content.empty()) {
    if (header_bytes_ < sizeof header_) {
      header_[header_bytes_++] = content[0];
      content = content.subspan(1);
      if (header_bytes_ < sizeof header_) continue;
      if (!begin_message(answers)) return false;
    }
    const size_t count = std::min<size_t>(content.size(), body_left_);
    if (count > 0) last_byte_ = content[count - 1];
    content = content.subspan(count);
    body_left_ -= static_cast<uint32_t>(count);
    if (body_left_ == 0 && !end_message(content.size(), answers)) return false;
  }
  return true;
}

// Its header is whole: whether it may come at all.
bool TlsRecords::begin_message(Output& answers) {
  const auto type = static_cast<Message>(header_[0]);
  body_left_ = static_cast<uint32_t>(header_[1] << 16 | header_[2] << 8 | header_[3]);
  if (keys_.cipher.tls13 && type == Message::key_update) {
    if (body_left_ == 1) return true;
    fail(Failure::own_alert, TlsAlert::decode_error, answers);
    return false;
  }
  const bool ticket = keys_.cipher.tls13 && !keys_.server && type == Message::new_session_ticket;
  const bool again =
      !keys_.cipher.tls13 && (keys_.server ? type == Message::client_hello
                                           : type == Message::hello_request && body_left_ == 0);
  if ((ticket || again) && body_left_ <= most_skipped_bytes) return true;
  fail(Failure::own_alert, TlsAlert::unexpected_message, answers);
  return false;
}

bool TlsRecords::end_message(size_t bytes_behind, Output& answers) {
  header_bytes_ = 0;
  const auto type = static_cast<Message>(header_[0]);
  if (type == Message::new_session_ticket) return true;  // RFC 8446 4.6.1: may be ignored
  if (type != Message::key_update) {                     // RFC 5246 7.2.2
    if (!count_warning(answers)) return false;
    const uint8_t refusal[] = {warning, static_cast<uint8_t>(TlsAlert::no_renegotiation)};
    return put(TlsContent::alert, refusal, answers);
  }
  // What is behind it has another key (RFC 8446 5.1), and it knows two values (4.6.3).
  if (bytes_behind > 0 || last_byte_ > 1) {
    fail(Failure::own_alert,
         bytes_behind > 0 ? TlsAlert::unexpected_message : TlsAlert::illegal_parameter, answers);
    return false;
  }
  update_asked_ = false;
  if (!keys_.in.next_generation(keys_.cipher)) {
    fail(Failure::own_alert, TlsAlert::internal_error, answers);
    return false;
  }
  if (last_byte_ == 1 && !closed_out_) seal_key_update(answers, false);
  return failure_ == Failure::none;
}

bool TlsRecords::put(TlsContent type, std::span<const uint8_t> content, Output& output) {
  if (closed_out_) return true;
  SLUICE_CHECK(output.room.size() - output.bytes >= content.size() + most_tls_overhead_bytes);
  const iovec piece{const_cast<uint8_t*>(content.data()), content.size()};
  const size_t bytes = seal_record(keys_.cipher, keys_.out, type, {{&piece, 1}, 0, content.size()},
                                   output.room.data() + output.bytes);
  output.bytes += bytes;
  if (bytes > 0) return true;
  lose();
  return false;
}

// Nothing more can be sealed, so no alert goes out.
void TlsRecords::lose() {
  closed_out_ = true;
  failure_ = Failure::own_alert;
  alert_ = TlsAlert::internal_error;
}

void TlsRecords::seal_key_update(Output& output, bool ask) {
  const uint8_t message[] = {static_cast<uint8_t>(Message::key_update), 0, 0, 1,
                             static_cast<uint8_t>(ask ? 1 : 0)};
  if (!put(TlsContent::handshake, message, output)) return;
  if (!keys_.out.next_generation(keys_.cipher)) lose();
}

bool TlsRecords::seal(const TlsPlaintext& plaintext, Output& output) {
  SLUICE_CHECK(output.room.size() - output.bytes >= plaintext.count + most_seal_overhead_bytes);
  if (closed_out_) return false;
  if (keys_.cipher.tls13 && keys_.out.sequence >= most_records_a_key) {
    seal_key_update(output, false);
    if (closed_out_) return false;
  }
  const size_t bytes = seal_record(keys_.cipher, keys_.out, TlsContent::application_data, plaintext,
                                   output.room.data() + output.bytes);
  output.bytes += bytes;
  if (bytes > 0) return true;
  lose();
  return false;
}

void TlsRecords::update_key(Output& answers, bool ask_peer) {
  SLUICE_CHECK(keys_.cipher.tls13);
  SLUICE_CHECK(answers.room.size() - answers.bytes >= most_answer_bytes);
  if (closed_out_) return;
  seal_key_update(answers, ask_peer && !update_asked_);
  update_asked_ = update_asked_ || ask_peer;
}

void TlsRecords::close(Output& answers) {
  SLUICE_CHECK(answers.room.size() - answers.bytes >= most_answer_bytes);
  const uint8_t alert[] = {warning, static_cast<uint8_t>(TlsAlert::close_notify)};
  put(TlsContent::alert, alert, answers);
  closed_out_ = true;
}

TlsRecords::Taken TlsRecords::fail(Failure failure, TlsAlert alert, Output& answers) {
  const uint8_t told[] = {fatal, static_cast<uint8_t>(alert)};
  put(TlsContent::alert, told, answers);
  closed_out_ = true;
  failure_ = failure;
  alert_ = alert;
  return Taken{Kind::failed, 0, {}};
}

}  // namespace sluice
