// Refusals: of OpenSSL's reasons those that puzzle people are put otherwise, and what a certificate
// says is taken from it while it is at hand.
#include "tls/refusal.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "net/number_text.h"
#include "net/printable.h"
#include "tls/credentials.h"
#include "tls/openssl_ptr.h"

namespace sluice {

namespace {

constexpr size_t most_names = 4;

std::string name_in(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    const ASN1_STRING* text = name->d.dNSName;
    return printable({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text))});
  }
  if (name->type != GEN_IPADD) return "";
  const int bytes = ASN1_STRING_length(name->d.iPAddress);
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes != 4 && bytes != 16) return "";
  inet_ntop(bytes == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
            sizeof text);
  return text;
}

std::string subject_of(const X509* certificate) {
  return printable(text_of(X509_get_subject_name(certificate)));
}
std::string issuer_of(const X509* certificate) {
  return printable(text_of(X509_get_issuer_name(certificate)));
}

// "a.example, 10.0.0.1 and 12 more"; where no name is given, the subject stands for it.
std::string names_in(const X509* certificate) {
  const AlternativeNamesPtr alternatives = alternative_names_of(certificate);
  if (alternatives == nullptr) return subject_of(certificate);
  std::string text;
  size_t count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const std::string name = name_in(sk_GENERAL_NAME_value(alternatives.get(), i));
    if (name.empty() || ++count > most_names) continue;
    text += (text.empty() ? "" : ", ") + name;
  }
  if (count > most_names) text += " and " + std::to_string(count - most_names) + " more";
  return text.empty() ? "nobody" : text;
}

std::string name_asked_for(X509_STORE_CTX* verification) {
  X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(verification);
  if (const char* host = X509_VERIFY_PARAM_get0_host(parameters, 0)) return host;
  char* const address = X509_VERIFY_PARAM_get1_ip_asc(parameters);
  const std::string text = address == nullptr ? "" : address;
  OPENSSL_free(address);
  return text;
}

// Whether the peer may have meant, by that alert, that we showed no certificate. In TLS 1.2 there
// is none that says so.
bool may_miss_certificate(int reason) {
  return reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE ||
         reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
         reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN ||
         reason == SSL_R_TLSV1_ALERT_ACCESS_DENIED;
}

// The meaning of a peer's alert about the certificate that we showed, or null.
const char* refused_certificate(int reason) {
  switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the peer refuses our certificate: unknown authority";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "the peer refuses our certificate: expired";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
      return "the peer refuses our certificate: revoked";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return "the peer refuses our certificate: unsupported";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "the peer refuses our certificate";
    default:
      return nullptr;
  }
}

// OpenSSL keeps the size that the peer named to itself.
std::string describe_large_chain(SSL* ssl) {
  const auto most = static_cast<uint64_t>(SSL_get_max_cert_list(ssl));
  return "tls_max_certificate_chain " + size_text(most) + ", the peer's certificates have " +
         grouped_text(most + 1) + " bytes or more";
}

// Its end is not looked for once it is too long.
std::string describe_long_chain(X509_STORE_CTX* verification) {
  const int most = X509_VERIFY_PARAM_get_depth(X509_STORE_CTX_get0_param(verification));
  const int seen = sk_X509_num(X509_STORE_CTX_get0_chain(verification)) - 1;
  return "tls_verify_depth " + std::to_string(most) + ", behind the peer's certificate stand " +
         std::to_string(seen) + " or more";
}

const char* verification_failure(long result) {
  if (result == X509_V_ERR_CERT_CHAIN_TOO_LONG) {
    return "certificate chain too long (tls_verify_depth)";
  }
  return X509_verify_cert_error_string(result);
}

}  // namespace

// Where there are several errors, that of OpenSSL's TLS says best what happened; below it, only a
// cipher failed.
const char* take_failure(SSL* ssl, bool asked_in_vain, std::string& detail) {
  const unsigned long first = ERR_peek_error();
  unsigned long error = ERR_get_error();
  while (error != 0 && ERR_GET_LIB(error) != ERR_LIB_SSL) error = ERR_get_error();
  const int reason = error != 0 ? ERR_GET_REASON(error) : 0;
  ERR_clear_error();
  const bool missed = asked_in_vain && may_miss_certificate(reason);
  if (missed || reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) {
    return "the upstream asks for a client certificate (tls_client_certificate)";
  }
  if (const char* refused = refused_certificate(reason)) return refused;
  switch (reason) {
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return "ended during the TLS handshake";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return verification_failure(SSL_get_verify_result(ssl));
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      detail = describe_large_chain(ssl);
      return "certificates too large (tls_max_certificate_chain)";
    default:
      break;
  }
  const char* text = ERR_reason_error_string(error != 0 ? error : first);
  return text != nullptr ? text : "TLS failure";
}

std::string describe_refused(X509_STORE_CTX* verification) {
  const X509* certificate = X509_STORE_CTX_get_current_cert(verification);
  if (certificate == nullptr) return "";
  switch (X509_STORE_CTX_get_error(verification)) {
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return describe_long_chain(verification);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "asked for " + name_asked_for(verification) + ", the certificate names " +
             names_in(certificate);
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return subject_of(certificate) + " ended on " + text_of(X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return subject_of(certificate) + " begins on " + text_of(X509_get0_notBefore(certificate));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return subject_of(certificate) + " is none of the trusted authorities";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      return subject_of(certificate) + " is issued by " + issuer_of(certificate) +
             ", which is neither sent along nor trusted";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return "of " + issuer_of(certificate);
    default:
      return subject_of(certificate);
  }
}

std::string describe_silence(uint32_t records_without_data) {
  return "TLS record " + grouped_text(uint64_t{records_without_data} + 1) +
         " in a row without data over tls_max_records_without_data " +
         std::to_string(records_without_data);
}

}  // namespace sluice
