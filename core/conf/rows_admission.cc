// Rows of the directive table: who may take a route.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
    {.name = "allowed_origins",
     .sections = top | route,
     .arguments = "ORIGIN...|same-origin|null|*|off",
     .most_arguments = Directive::any_number,
     .set = setters::allowed_origins,
     .inherit = inherit<&RouteSettings::allowed_origins>,
     .default_value = "off",
     .example = "same-origin https://app.example.org *.example.com",
     .help = "The pages that may open a WebSocket, by their origin, which browsers send as Origin: "
             "https://HOST or https://HOST:PORT; *.HOST is every host below HOST; without https:// "
             "or http:// both are meant. same-origin is a page of the scheme, host and port that "
             "are asked (those that one of trusted_proxies names in X-Forwarded-Proto and Host). "
             "null is a page without an origin, as a file or a sandboxed frame, and let in only "
             "where it is named. Others are answered 403. Who sends no Origin is no browser and "
             "passes; plain requests do, too. Without the line, or with *, a page from anywhere "
             "may use its visitors' cookies here. Lines add up.",
     .repeatable = true},
    {.name = "require_subprotocol",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::require_subprotocol>,
     .inherit = inherit<&RouteSettings::require_subprotocol>,
     .default_value = "off",
     .help = "Whether a handshake must offer a subprotocol, and one of `subprotocols` where that "
             "names some; else 400."},
};

}  // namespace

std::span<const Directive> admission_rows() {
  return rows;
}

}  // namespace sluice
