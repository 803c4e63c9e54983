// Credentials: PEM and DER into OpenSSL's objects, and every refusal into one static text.
#include "tls/credentials.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <ctime>
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

CertificatePtr reference_to(X509* certificate) {
  X509_up_ref(certificate);
  return CertificatePtr(certificate);
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

Credentials copy_of(const Credentials& credentials) {
  Credentials copy;
  copy.certificate = reference_to(credentials.certificate.get());
  for (const CertificatePtr& link : credentials.chain) {
    copy.chain.push_back(reference_to(link.get()));
  }
  if (credentials.key != nullptr) {
    EVP_PKEY_up_ref(credentials.key.get());
    copy.key.reset(credentials.key.get());
  }
  copy.key_digest = credentials.key_digest;
  copy.ocsp_response = credentials.ocsp_response;
  copy.names = credentials.names;
  return copy;
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

int64_t end_of(const X509* certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return 0;
  return timegm(&end);
}

Digest key_digest_of(const X509* certificate, std::string_view pem) {
  return Digester("key").add(certificate).add(pem).finish();
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
  credentials.key_digest = key_digest_of(credentials.certificate.get(), pem);
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
  AuthoritiesParser parser(pem);
  while (parser.step()) {
  }
  return parser.finish();
}

AuthoritiesParser::AuthoritiesParser(std::string_view pem)
    : source_(reader(pem)), store_(X509_STORE_new()) {}

bool AuthoritiesParser::step() {
  ERR_clear_error();
  X509* const next = PEM_read_bio_X509_AUX(source_.get(), nullptr, no_passphrase, nullptr);
  if (next == nullptr) {
    whole_ = at_end_of_pem();
    return false;
  }
  const CertificatePtr authority(next);
  all_ = X509_STORE_add_cert(store_.get(), authority.get()) == 1 && all_;
  any_ = true;
  return true;
}

Result<StorePtr> AuthoritiesParser::finish() {
  if (!whole_) return Fault{"a certificate in it cannot be read", 0};
  if (!all_) return Fault{"a certificate in it cannot be taken", 0};
  if (!any_) return Fault{"it holds no certificate in PEM form", 0};
  return std::move(store_);
}

Result<StorePtr> copy_of_anchors(X509_STORE* store) {
  StorePtr copy(X509_STORE_new());
  bool all = copy != nullptr;
  STACK_OF(X509_OBJECT)* const anchors = X509_STORE_get0_objects(store);
  for (int i = 0; all && i < sk_X509_OBJECT_num(anchors); ++i) {
    X509* const anchor = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(anchors, i));
    X509_CRL* const list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(anchors, i));
    all = (anchor == nullptr || X509_STORE_add_cert(copy.get(), anchor) == 1) &&
          (list == nullptr || X509_STORE_add_crl(copy.get(), list) == 1);
  }
  if (!all) return Fault{take_openssl_reason(), 0};
  return copy;
}

Result<std::vector<RevocationPtr>> parse_revocations(std::string_view pem) {
  ERR_clear_error();
  const BioPtr source = reader(pem);
  std::vector<RevocationPtr> lists;
  while (X509_CRL* next = PEM_read_bio_X509_CRL(source.get(), nullptr, no_passphrase, nullptr)) {
    lists.emplace_back(next);
  }
  if (!at_end_of_pem()) return Fault{"a CRL in it cannot be read", 0};
  if (lists.empty()) return Fault{"it holds no CRL in PEM form", 0};
  return lists;
}

Status add_revocations(std::span<const RevocationPtr> lists, X509_STORE* store) {
  ERR_clear_error();
  bool all = true;
  for (const RevocationPtr& list : lists) all = X509_STORE_add_crl(store, list.get()) == 1 && all;
  if (!all) return Fault{"a CRL in it cannot be taken", 0};  // those whom it revokes would pass
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return Done{};
}

std::string outdated_revocations(std::span<const RevocationPtr> lists, int64_t now_s) {
  for (const RevocationPtr& list : lists) {
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(list.get());
    auto now = static_cast<time_t>(now_s);
    if (next != nullptr && X509_cmp_time(next, &now) <= 0) return text_of(next);
  }
  return "";
}

}  // namespace sluice
