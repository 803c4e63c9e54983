// Variables in a conf: what set_header's value is made of, what is no variable, and what a secret
// may hold.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/variables.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

using Piece = HeaderValue::Piece;
using Pieces = std::vector<Piece>;

Pieces pieces_of(const std::string& value) {
  const auto config = good(conf_of("set_header X-A \"" + value + "\""));
  REQUIRE(config->routes.at(0).set_headers.size() == 1);
  return config->routes[0].set_headers[0].value.pieces();
}

std::string error_of(const std::string& value) {
  return errors_in(conf_of("set_header X-A \"" + value + "\""));
}

constexpr std::string_view all =
    "$remote_addr, $remote_port, $host, $path, $query, $request_uri, $scheme, $request_id, "
    "$http_NAME, $auth_http_NAME, "
    "$cookie_NAME, $query_NAME, $jwt_claim_NAME, $tls_client_subject, $tls_version, $tls_cipher, "
    "$tls_server_name and $remote_user, and $$ is a plain $\n";

}  // namespace

TEST_CASE("conf variables: each by its name, among text") {
  struct Row {
    const char* name;
    Variable variable;
    const char* rest = "";
  };
  const Row rows[] = {
      {"$remote_addr", Variable::remote_addr},
      {"$remote_port", Variable::remote_port},
      {"$host", Variable::host},
      {"$path", Variable::path},
      {"$query", Variable::query},
      {"$request_uri", Variable::request_uri},
      {"$scheme", Variable::scheme},
      {"$request_id", Variable::request_id},
      {"$http_x_token", Variable::http, "x_token"},
      {"$cookie_Session", Variable::cookie, "Session"},
      {"$jwt_claim_sub", Variable::jwt_claim, "sub"},
      {"$tls_client_subject", Variable::tls_client_subject},
      {"$tls_version", Variable::tls_version},
      {"$tls_cipher", Variable::tls_cipher},
      {"$tls_server_name", Variable::tls_server_name},
      {"$remote_user", Variable::remote_user},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string name = row.name;
    const Piece piece{row.variable, row.rest};
    CHECK(pieces_of(name) == Pieces{piece});
    CHECK(pieces_of("<" + name + ">") ==
          Pieces{{Variable::text, "<"}, piece, {Variable::text, ">"}});
    CHECK(pieces_of(name + name) == Pieces{piece, piece});
  }
}

TEST_CASE("conf variables: $$ is a plain $") {
  CHECK(pieces_of("$$") == Pieces{{Variable::text, "$"}});
  CHECK(pieces_of("$$host") == Pieces{{Variable::text, "$host"}});
  CHECK(pieces_of("$$$host") == Pieces{{Variable::text, "$"}, {Variable::host, ""}});
  CHECK(pieces_of("5$$ off") == Pieces{{Variable::text, "5$ off"}});
  CHECK(pieces_of("$${env:X}") == Pieces{{Variable::text, "${env:X}"}});
  CHECK(pieces_of("").empty());
}

TEST_CASE("conf variables: an unknown one lists those that there are") {
  const std::string unknown = "1: set_header: there is no variable ";
  CHECK(error_of("$nonsense_everywhere") ==
        unknown + "\"$nonsense_everywhere\"; there are " + std::string(all));
  CHECK(error_of("<$tls_client_subjekt>") ==
        unknown + "\"$tls_client_subjekt\", did you mean \"$tls_client_subject\"? There are " +
            std::string(all));
  CHECK(error_of("$args") ==
        unknown + "\"$args\"; here it is $query; there are " + std::string(all));
  CHECK(error_of("$is_args").find("here it is part of $request_uri, the path and its query") !=
        std::string::npos);
  CHECK(error_of("$ssl_client_s_dn").find("here it is $tls_client_subject") != std::string::npos);
  CHECK(error_of("$proxy_add_x_forwarded_for")
            .find("leave the line out, sluice sets that field itself") != std::string::npos);
  CHECK(error_of("$HOST").find("did you mean \"$host\"?") != std::string::npos);
  CHECK(error_of("$http_").find("there is no variable \"$http_\"") != std::string::npos);
}

TEST_CASE("conf variables: a $ without a name") {
  const std::string nameless = "1: set_header: a $ without a name; write $$ for a plain $\n";
  CHECK(error_of("$") == nameless);
  CHECK(error_of("5$ off") == nameless);
  CHECK(error_of("$-host") == nameless);
  CHECK(error_of("$$$") == nameless);
}

TEST_CASE("conf variables: what a reference brings in is text") {
  const TestVariable secret("SLUICE_TEST_SECRET", "$host $$ $nonsense ${env:X}");
  const std::string value = "$host $$ $nonsense ${env:X}";
  CHECK(pieces_of("${env:SLUICE_TEST_SECRET}") == Pieces{{Variable::text, value}});
  CHECK(pieces_of("$host${env:SLUICE_TEST_SECRET}$path") ==
        Pieces{{Variable::host, ""}, {Variable::text, value}, {Variable::path, ""}});
  // Two dollars before a reference are one plain one and the reference's own.
  CHECK(pieces_of("$$$${env:SLUICE_TEST_SECRET}") ==
        Pieces{{Variable::text, "$${env:SLUICE_TEST_SECRET}"}});
  CHECK(pieces_of("$$${env:SLUICE_TEST_SECRET}") == Pieces{{Variable::text, "$" + value}});
}

TEST_CASE("conf variables: a name ends where a reference begins, and tells nothing of it") {
  const TestVariable secret("SLUICE_TEST_SECRET", "hunter2");
  CHECK(pieces_of("$host${env:SLUICE_TEST_SECRET}") ==
        Pieces{{Variable::host, ""}, {Variable::text, "hunter2"}});
  CHECK(error_of("$ho${env:SLUICE_TEST_SECRET}").find("hunter2") == std::string::npos);
  const auto warned = [](const std::string& line) {
    const ConfOutcome outcome = load_text(conf_of("", "", line));
    REQUIRE(errors_of(outcome) == "");
    return outcome.warnings.empty() ? "" : outcome.warnings[0];
  };
  CHECK(warned("match_header X-A $http_x${env:SLUICE_TEST_SECRET}").find("\"$http_x\"") !=
        std::string::npos);
  const TestVariable dollar("SLUICE_TEST_DOLLAR", "$host");
  CHECK(warned("match_header X-A ${env:SLUICE_TEST_DOLLAR}") == "");
  CHECK(warned("match_header X-A $nobodys") == "");
}

TEST_CASE("conf variables: control bytes are refused, variables beside them or not") {
  const TestVariable bell("SLUICE_TEST_BELL", "a\x07");
  CHECK(error_of("$host${env:SLUICE_TEST_BELL}") ==
        "1: set_header: the value \"$host${env:SLUICE_TEST_BELL}\" holds a control byte\n");
}
