// Rows of the directive table: plain HTTP on a route.
#include "core/conf/rows.h"
#include "core/conf/setters.h"

namespace sluice {

namespace {

constexpr unsigned top = bit(Section::top);
constexpr unsigned upstream = bit(Section::upstream);
constexpr unsigned route = bit(Section::route);

constexpr Directive rows[] = {
    {.name = "http",
     .sections = top | route,
     .arguments = "on|off",
     .set = setters::on_or_off<&RouteSettings::http>,
     .inherit = inherit<&RouteSettings::http>,
     .default_value = "off",
     .help = "Whether plain HTTP requests go to the route's upstream, too, as those for a page or "
             "a polling fallback. With off they are answered 426. A request that asks for a "
             "WebSocket is judged as one either way."},
    {.name = "answer_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::answer_timeout_ms>,
     .inherit = inherit<&RouteSettings::answer_timeout_ms>,
     .default_value = "60s",
     .help = "For plain requests (http on): how long a server may take from the end of the request "
             "to the end of its answer's head, as in long polling; then 504."},
    {.name = "body_timeout",
     .sections = top | upstream | route,
     .arguments = "TIME",
     .set = setters::timeout<&RouteSettings::body_timeout_ms>,
     .inherit = inherit<&RouteSettings::body_timeout_ms>,
     .default_value = "60s",
     .help = "For plain requests (http on): how long the body of a request or of its answer may "
             "stand still; then a request is answered 408, and an answer breaks off."},
    {.name = "max_body_size",
     .sections = top | upstream | route,
     .arguments = "SIZE|off",
     .set = setters::max_body_size,
     .inherit = inherit<&RouteSettings::max_body_bytes>,
     .default_value = "off",
     .help = "The largest body of a plain request (http on); beyond it 413."},
};

}  // namespace

std::span<const Directive> http_rows() {
  return rows;
}

}  // namespace sluice
