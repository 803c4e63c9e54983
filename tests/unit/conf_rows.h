// The rows of conf_directives_test, one for each directive; those of TLS, of peers and of routes
// are in files of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "tests/unit/conf_testing.h"

namespace sluice::testing {

struct ConfRow {
  std::string_view name;
  std::string sections;                // as DirectiveHelp has them
  std::string line;                    // the directive's own, and what it needs behind it
  std::string (*read)(const Config&);  // what the directive changes
  std::string expected;                // of `read`, with the line
  std::string again = {};              // another line that may stand beside it; "": none may
  std::string before = {};             // lines that it needs before it, in the same section
  std::string listener = {};           // lines of the listener that it works on
  std::string server = "ws://127.0.0.1:9001";  // of the upstream
};

std::vector<ConfRow> http2_rows();
std::vector<ConfRow> peer_rows();
std::vector<ConfRow> route_rows();
// `folder` gets the files that they name.
std::vector<ConfRow> tls_rows(const TestFolder& folder);

std::vector<ConfRow> token_rows(const TestFolder& folder);

// A JSON Web Key Set with a key of Ed25519 (RFC 8037 A.2), and keys that are of no use here.
inline constexpr std::string_view issuer_jwks =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"EC","crv":"P-521","kid":"x"},{"kty":"RSA","use":"enc","n":"","e":""}]})";

// site.pem, site.key, site.ocsp, ca.pem, clients.pem, revoked.pem, client.pem, client.key, as the
// reference names them, and what the examples do: other.pem, other.key, partners.pem; issuer.jwks.
// All are issued by the test's authority. `below` is a folder in the folder.
void write_tls_files(const TestFolder& folder, const std::string& below = "");

}  // namespace sluice::testing
