// Rows of the directive table: JSON Web Tokens that requests must bring.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
    {.name = "auth_jwt",
     .sections = top | route,
     .arguments = "bearer|cookie=NAME|query=NAME|subprotocol=PREFIX...|off",
     .most_arguments = 4,
     .set = setters::auth_jwt,
     .inherit = inherit<&JwtSettings::jwt_places>,
     .default_value = "off",
     .example = "bearer cookie=session subprotocol=jwt.",
     .help =
         "Who comes here, for a WebSocket or with a plain request, must bring a JSON Web Token "
         "(RFC "
         "7519, in a JWS's compact form) that one of auth_jwt_key's keys has signed, and that "
         "neither has expired nor begins later; else 401. Where it is looked for, the first that "
         "is there counts: bearer is Authorization: Bearer; cookie, query: the cookie or query "
         "parameter of that name; subprotocol: an entry of Sec-WebSocket-Protocol that begins with "
         "PREFIX and has the token behind it, as browsers can send one. Such entries go no "
         "further; pages offer the subprotocol that they speak besides, for browsers want one to "
         "be agreed. The others travel on as they came (remove_header). A query's parameter is "
         "masked in logs as log_mask's are. A session is closed when its token expires "
         "(jwt_close_code); a plain request that is being answered is not. Claims are "
         "$jwt_claim_NAME in set_header."},
    {.name = "auth_jwt_key",
     .sections = top | route,
     .arguments = "HS256|RS256|ES256|EdDSA|jwks FILE",
     .least_arguments = 2,
     .most_arguments = 2,
     .set = setters::auth_jwt_key,
     .inherit = inherit<&JwtSettings::jwt_keys>,
     .example = "jwks issuer.jwks",
     .help =
         "A key, for the one algorithm that is named: a token is verified with keys of the "
         "algorithm that it names alone, and with one of that kid where both have one. HS256: a "
         "file of a secret of 32 bytes or more, which nobody else may read (a line end behind "
         "printable text is not of it); RS256 (2048 bits or more), ES256 (P-256), EdDSA (Ed25519): "
         "a public key, or a certificate, in PEM; jwks: a JSON Web Key Set (RFC 7517) of such "
         "keys, where those of other kinds, or for encryption, are left out. Files are read when "
         "the conf is, and looked at with tls_reload_on_change. Lines add up, to 32 keys; those of "
         "a route replace those before the first section.",
     .repeatable = true},
    {.name = "auth_jwt_issuer",
     .sections = top | route,
     .arguments = "VALUE...",
     .most_arguments = Directive::any_number,
     .set = setters::words_of<&JwtSettings::jwt_issuers>,
     .inherit = inherit<&JwtSettings::jwt_issuers>,
     .example = "https://issuer.example.org",
     .help = "The token's iss must be one of these, byte by byte; without the line it is not "
             "looked at."},
    {.name = "auth_jwt_audience",
     .sections = top | route,
     .arguments = "VALUE...",
     .most_arguments = Directive::any_number,
     .set = setters::words_of<&JwtSettings::jwt_audiences>,
     .inherit = inherit<&JwtSettings::jwt_audiences>,
     .example = "chat",
     .help = "The token's aud must be, or have, one of these; without the line it is not looked "
             "at, and a token that the issuer made for another service is taken."},
    {.name = "auth_jwt_leeway",
     .sections = top | route,
     .arguments = "TIME|off",
     .set = setters::auth_jwt_leeway,
     .inherit = inherit<&JwtSettings::jwt_leeway_ms>,
     .default_value = "5s",
     .help = "How far the issuer's clock may differ from this machine's: a token is good for so "
             "long before its nbf and behind its exp, where sessions end as well. 5 minutes at "
             "most."},
    {.name = "jwt_close_code",
     .sections = top | route,
     .arguments = "CODE",
     .set = setters::jwt_close_code,
     .inherit = inherit<&JwtSettings::jwt_close_code>,
     .default_value = "1008",
     .help = "The code of the Close that both sides get when the session's token expires: at its "
             "exp and auth_jwt_leeway, as the clock stood when the session began. A token without "
             "exp ends no session."},
};

}  // namespace

std::span<const Directive> jwt_rows() {
  return rows;
}

namespace directive {

constinit const Directive& auth_jwt = row_named(rows, "auth_jwt");
constinit const Directive& auth_jwt_key = row_named(rows, "auth_jwt_key");

}  // namespace directive

}  // namespace sluice
