// Rows of the directive table: TLS toward an upstream.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned upstream = bit(Section::upstream);

constexpr Directive rows[] = {
    {.name = "tls_verify",
     .sections = top | upstream,
     .arguments = "on|off",
     .set = setters::on_or_off<&TlsSettings::verify>,
     .inherit = inherit<&TlsSettings::verify>,
     .default_value = "on",
     .help = "Whether the certificate of a wss:// server must be trusted and carry its name; off "
             "is only for tests and warned about."},
    {.name = "tls_ca",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::authorities<&TlsSettings::authorities>,
     .inherit = inherit<&TlsSettings::authorities>,
     .default_value = "(the system's)",
     .example = "ca.pem",
     .help = "Authorities that wss:// servers' certificates are verified with, in PEM form."},
    {.name = "tls_server_name",
     .sections = top | upstream,
     .arguments = "NAME",
     .set = setters::tls_server_name,
     .inherit = inherit<&TlsSettings::server_name>,
     .default_value = "(the host of the server's URI)",
     .example = "broker.internal",
     .help = "The name that wss:// servers are asked for (SNI) and that their certificate must "
             "carry."},
    {.name = "tls_client_certificate",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::tls_client_certificate,
     .example = "client.pem",
     .help = "What is shown to wss:// servers that ask for a certificate, in PEM form with its "
             "chain."},
    {.name = "tls_client_key",
     .sections = top | upstream,
     .arguments = "FILE",
     .set = setters::tls_client_key,
     .example = "client.key",
     .help = "The private key of tls_client_certificate, readable as a tls_key may be."},
};

}  // namespace

namespace directive {

constinit const Directive& tls_verify = row_named(rows, "tls_verify");
constinit const Directive& tls_ca = row_named(rows, "tls_ca");
constinit const Directive& tls_client_certificate = row_named(rows, "tls_client_certificate");
constinit const Directive& tls_client_key = row_named(rows, "tls_client_key");

}  // namespace directive

std::span<const Directive> upstream_tls_rows() {
  return rows;
}

}  // namespace sluice
