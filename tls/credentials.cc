// Credentials: PEM and DER into OpenSSL's objects, and every refusal into one static text.
#include "tls/credentials.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace sluice {

namespace {

BioPtr reader(std::string_view bytes) {
  return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// OpenSSL would ask on the terminal; a proxy cannot answer.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

// A PEM reader that finds no further block says so through the error queue.
bool at_end_of_pem() {
  const unsigned long error = ERR_peek_last_error();
  const bool end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return end;
}

void add_name(std::vector<std::string>& names, const ASN1_STRING* text) {
  const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  std::string name(bytes, static_cast<size_t>(ASN1_STRING_length(text)));
  if (name.empty() || name.find('\0') != std::string::npos) return;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char byte) { return static_cast<char>(std::tolower(byte)); });
  names.push_back(std::move(name));
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const AlternativeNamesPtr alternatives = alternative_names_of(certificate);
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* each = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (each->type == GEN_DNS) add_name(names, each->d.dNSName);
  }
  if (alternatives != nullptr) return names;
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  return names;
}

// False where one cannot be read.
template <class Visit>
bool each_revocation_list(std::string_view pem, Visit visit) {
  const BioPtr source = reader(pem);
  while (X509_CRL* next = PEM_read_bio_X509_CRL(source.get(), nullptr, no_passphrase, nullptr)) {
    const std::unique_ptr<X509_CRL, OpenSslFree<&X509_CRL_free>> list(next);
    visit(list.get());
  }
  return at_end_of_pem();
}

}  // namespace

std::string text_of(const X509_NAME* name) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253) < 0)
    return "";
  return content_of(memory.get());
}

std::string text_of(const ASN1_TIME* time) {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || ASN1_TIME_print(memory.get(), time) != 1) return "";
  return content_of(memory.get());
}

const char* take_openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "TLS failure";
}

Result<Credentials> parse_certificates(std::string_view pem) {
  ERR_clear_error();
  const BioPtr source = reader(pem);
  Credentials credentials;
  credentials.certificate.reset(
      PEM_read_bio_X509_AUX(source.get(), nullptr, no_passphrase, nullptr));
  if (credentials.certificate == nullptr) {
    return at_end_of_pem() ? Fault{"it holds no certificate in PEM form", 0}
                           : Fault{"its certificate cannot be read", 0};
  }
  while (X509* next = PEM_read_bio_X509(source.get(), nullptr, no_passphrase, nullptr)) {
    credentials.chain.emplace_back(next);
  }
  if (!at_end_of_pem()) return Fault{"a certificate of its chain cannot be read", 0};
  credentials.names = names_of(credentials.certificate.get());
  return credentials;
}

int64_t days_until_end(const X509* certificate, uint64_t wall_clock_ms) {
  ASN1_TIME* now = ASN1_TIME_set(nullptr, static_cast<time_t>(wall_clock_ms / 1000));
  int days = 0;
  int seconds = 0;
  const bool known =
      now != nullptr && ASN1_TIME_diff(&days, &seconds, now, X509_get0_notAfter(certificate)) == 1;
  ASN1_TIME_free(now);
  if (!known) return 0;
  return days == 0 && seconds < 0 ? -1 : days;
}

Status parse_private_key(std::string_view pem, Credentials& credentials) {
  ERR_clear_error();
  const BioPtr source = reader(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) {
    const bool none = pem.find("PRIVATE KEY-----") == std::string_view::npos;
    const bool locked = pem.find("ENCRYPTED") != std::string_view::npos;
    ERR_clear_error();
    if (none) return Fault{"it holds no private key in PEM form", 0};
    if (locked) return Fault{"its key asks for a passphrase; store it without one", 0};
    return Fault{"its private key cannot be read", 0};
  }
  const bool matches = X509_check_private_key(credentials.certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!matches) return Fault{"the key does not belong to the certificate", 0};
  credentials.key = std::move(key);
  return Done{};
}

Status parse_ocsp_response(std::string_view der, Credentials& credentials) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  OCSP_RESPONSE* response = d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(der.size()));
  const bool readable = response != nullptr;
  const bool good = readable && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
  OCSP_RESPONSE_free(response);
  ERR_clear_error();
  if (!readable) return Fault{"it is no OCSP response in DER form", 0};
  if (!good) return Fault{"its OCSP response is not a successful one", 0};
  credentials.ocsp_response = der;
  return Done{};
}

Result<StorePtr> parse_authorities(std::string_view pem) {
  ERR_clear_error();
  const BioPtr source = reader(pem);
  StorePtr store(X509_STORE_new());
  bool any = false;
  bool all = true;
  while (X509* next = PEM_read_bio_X509_AUX(source.get(), nullptr, no_passphrase, nullptr)) {
    const CertificatePtr authority(next);
    all = X509_STORE_add_cert(store.get(), authority.get()) == 1 && all;
    any = true;
  }
  if (!at_end_of_pem()) return Fault{"a certificate in it cannot be read", 0};
  if (!all) return Fault{"a certificate in it cannot be taken", 0};
  if (!any) return Fault{"it holds no certificate in PEM form", 0};
  return store;
}

Status add_revocations(std::string_view pem, X509_STORE* store) {
  ERR_clear_error();
  bool any = false;
  bool all = true;
  const bool whole = each_revocation_list(pem, [&](X509_CRL* list) {
    all = X509_STORE_add_crl(store, list) == 1 && all;
    any = true;
  });
  if (!whole) return Fault{"a CRL in it cannot be read", 0};
  if (!all) return Fault{"a CRL in it cannot be taken", 0};  // those whom it revokes would pass
  if (!any) return Fault{"it holds no CRL in PEM form", 0};
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return Done{};
}

std::string outdated_revocations(std::string_view pem, int64_t now_s) {
  std::string when;
  each_revocation_list(pem, [&](X509_CRL* list) {
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list);
    auto now = static_cast<time_t>(now_s);
    if (!when.empty() || next == nullptr || X509_cmp_time(next, &now) > 0) return;
    when = text_of(next);
  });
  return when;
}

}  // namespace sluice
