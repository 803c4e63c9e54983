// Setters of everything about TLS. They read certificates and keys at once, so that what is wrong
// with a file is told at the line that names it.
#include "core/conf/certificate_ends.h"
#include "core/conf/named_file.h"
#include "core/conf/setters.h"
#include "core/conf/suggest.h"
#include "protocol/uri.h"
#include "tls/secret.h"

namespace sluice::setters {

namespace {

constexpr size_t most_pem_bytes = 4 << 20;            // a whole system's authorities are 200 KiB
constexpr size_t most_certificate_bytes = 256 << 10;  // with its chain
constexpr size_t most_key_bytes = 64 << 10;
constexpr size_t most_message_bytes = 16 << 20;  // of a TLS handshake (RFC 8446 4)
constexpr size_t most_name_bytes = TLSEXT_MAXLEN_host_name;

void note_end(const SetterCall& call, const X509* certificate) {
  CertificateEnd end{
      text_at(call.statement.place, call.statement.words[0].text + ": " +
                                        quoted(call.word(1).text) + ": a certificate in it"),
      end_of(certificate)};
  const int days = call.draft.options.open_files ? days_of_notice_in_check : days_of_notice;
  std::string warning = warning_of_end(end, system_wall_clock_s(), days);
  if (!warning.empty()) call.draft.warnings.push_back(std::move(warning));
  call.draft.config.certificate_ends.push_back(std::move(end));
}

Credentials read_certificates(const SetterCall& call) {
  Secret secret(most_certificate_bytes);  // a key may stand beside the certificate
  read_named_file(call, call.word(1), secret);
  Result<Credentials> parsed = call.draft.tls.certificates(secret.view());
  if (!parsed.ok()) refuse_file(call.word(1), parsed.fault());
  note_end(call, parsed.value().certificate.get());
  for (const CertificatePtr& link : parsed.value().chain) note_end(call, link.get());
  return std::move(parsed.value());
}

void read_key(const SetterCall& call, Credentials& credentials) {
  const Word& word = call.word(1);
  Secret secret(most_key_bytes);
  read_named_file(call, call.word(1), secret,
                  [&](const FileFacts& facts) { check_private(word, facts, call.draft.inputs); });
  if (credentials.certificate == nullptr) return;  // nothing to compare with, which was told
  if (const Status read = call.draft.tls.private_key(secret.view(), credentials); !read.ok()) {
    refuse_file(word, read.fault());
  }
}

// The tls_certificate that a tls_key or a tls_stapling_file belongs to.
CertificateDraft& latest_certificate(const SetterCall& call) {
  std::vector<CertificateDraft>& all = call.section.as<ListenDraft>().certificates;
  if (all.empty()) throw ConfProblem{"it stands behind the tls_certificate that it belongs to"};
  return all.back();
}

[[noreturn]] void refuse_second(const SetterCall& call, const CertificateDraft& certificate,
                                const char* what) {
  throw ConfProblem{"the tls_certificate " + seen_from(call.statement.place, certificate.place) +
                    " has its " + what + " already"};
}

}  // namespace

void tls_certificate(const SetterCall& call) {
  CertificateDraft& certificate = call.section.as<ListenDraft>().certificates.emplace_back();
  certificate.place = call.statement.place;
  certificate.credentials = read_certificates(call);
}

void tls_key(const SetterCall& call) {
  CertificateDraft& certificate = latest_certificate(call);
  if (certificate.key_given) refuse_second(call, certificate, "key");
  certificate.key_given = true;
  read_key(call, certificate.credentials);
}

void tls_stapling_file(const SetterCall& call) {
  CertificateDraft& certificate = latest_certificate(call);
  Credentials& credentials = certificate.credentials;
  if (!credentials.ocsp_response.empty()) refuse_second(call, certificate, "response");
  Secret response(most_pem_bytes);
  read_named_file(call, call.word(1), response);
  const Status parsed = parse_ocsp_response(response.view(), credentials);
  if (!parsed.ok()) refuse_file(call.word(1), parsed.fault());
}

// Not of TLS, but read as its keys are.
void sticky_key(const SetterCall& call) {
  constexpr size_t least_bytes = 16;
  const Word& word = call.word(1);
  Secret secret(most_key_bytes);
  read_named_file(call, call.word(1), secret,
                  [&](const FileFacts& facts) { check_private(word, facts, call.draft.inputs); });
  if (secret.view().size() < least_bytes) {
    throw ConfProblem{quoted(word.text) + " has " + std::to_string(secret.view().size()) +
                      " bytes; a key has at least 16, as `openssl rand -hex 32` makes it"};
  }
  call.draft.config.sticky_key = Digester("sticky key").add(secret.view()).finish();
}

void tls_client_certificate(const SetterCall& call) {
  auto& credentials = call.section.client_credentials;
  credentials.emplace();
  credentials = read_certificates(call);
}

void tls_client_key(const SetterCall& call) {
  auto& credentials = call.section.client_credentials;
  if (!credentials) throw ConfProblem{"it stands behind its tls_client_certificate"};
  read_key(call, *credentials);
}

void tls_authorities(const SetterCall& call, Pem& pem) {
  Secret content(most_pem_bytes);
  read_named_file(call, call.word(1), content);
  Pem read{std::string(content.view())};
  if (call.draft.tls.has_anchors(read)) {
    pem = std::move(read);
  } else {
    call.draft.bundle.emplace(std::move(read), pem, call.draft.tls);
  }
}

void tls_crl(const SetterCall& call) {
  Secret content(most_pem_bytes);
  read_named_file(call, call.word(1), content);
  Pem read{std::string(content.view())};
  const auto lists = call.draft.tls.revocations(read);
  if (!lists.ok()) refuse_file(call.word(1), lists.fault());
  call.section.settings.revoked = std::move(read);
}

void tls_verify_client(const SetterCall& call) {
  const Word& word = call.word(1);
  auto& setting = call.section.settings.verify_client;
  if (word.value == "on") {
    setting = VerifyClient::on;
  } else if (word.value == "optional") {
    setting = VerifyClient::optional;
  } else if (word.value == "off") {
    setting = VerifyClient::off;
  } else {
    throw ConfProblem{quoted(word.text) + " is neither on nor optional nor off"};
  }
}

void tls_server_name(const SetterCall& call) {
  const Word& word = call.word(1);
  const Result<Authority> authority = parse_authority(word.value);
  if (!authority.ok() || word.value.size() > most_name_bytes ||
      authority.value().host.size() != word.value.size() ||
      word.value.find_first_of("[*$") != std::string::npos) {
    throw ConfProblem{quoted(word.text) + " is not a host's name"};
  }
  call.section.settings.server_name = word.value;
}

void tls_protocols(const SetterCall& call) {
  TlsProtocols protocols{false, false};
  for (size_t i = 1; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    bool& named = word.value == "TLSv1.2" ? protocols.tls12 : protocols.tls13;
    if (word.value != "TLSv1.2" && word.value != "TLSv1.3") {
      throw ConfProblem{quoted(word.text) + " is neither TLSv1.2 nor TLSv1.3; others are not safe"};
    }
    if (named) throw ConfProblem{quoted(word.text) + " is given twice"};
    named = true;
  }
  call.section.settings.protocols = protocols;
}

void tls_ciphers(const SetterCall& call) {
  const Word& word = call.word(1);
  if (const std::optional<std::string> unknown = unknown_cipher(word.value)) {
    const std::string& shown = word.expanded() ? word.text : *unknown;
    throw ConfProblem{"there is no cipher " + quoted(shown) +
                      "; write OpenSSL's names, joined by \":\""};
  }
  call.section.settings.ciphers = word.value;
}

void tls_verify_depth(const SetterCall& call) {
  call.section.settings.verify_depth = number(call.word(1), 0, 100);
}

void tls_max_certificate_chain(const SetterCall& call) {
  call.section.settings.chain_bytes =
      static_cast<uint32_t>(size_bytes(call.word(1), 1 << 10, most_message_bytes));
}

void tls_max_records_without_data(const SetterCall& call) {
  call.section.settings.records_without_data = number_or_off(call.word(1), 1, 1'000'000);
}

void tls_ticket_lifetime(const SetterCall& call) {
  call.draft.config.tls_ticket_lifetime_ms = time_ms_or_off(call.word(1));
}

void tls_reload_on_change(const SetterCall& call) {
  call.draft.config.tls_reload_on_change = switch_on(call.word(1));
}

}  // namespace sluice::setters
