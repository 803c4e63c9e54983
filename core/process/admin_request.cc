// The order of the checks is that of what they protect: who, by what name, from which page; then
// what is asked for.
#include "core/process/admin_request.h"

#include <algorithm>

#include "net/printable.h"
#include "protocol/ascii.h"

namespace sluice {

namespace {

struct Page {
  std::string_view path;
  AdminPage page;
};

constexpr Page pages[] = {{"/", AdminPage::page},           {"/events", AdminPage::events},
                          {"/metrics", AdminPage::metrics}, {"/healthz", AdminPage::health},
                          {"/readyz", AdminPage::ready},    {"/status.json", AdminPage::status}};

AdminRequest refused(AdminAnswer answer) {
  AdminRequest request;
  request.refusal = std::move(answer);
  return request;
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(),
                                         [](char byte) { return byte >= '0' && byte <= '9'; });
}

// "https://name:port", of which the name is asked for; "null" and anything else is nobody's.
bool is_our_page(std::string_view origin, const AdminRules& rules) {
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && names_us(origin.substr(scheme + 3), rules);
}

// The quality that a client gives that media type, in thousandths: -1 where it does not name it.
int quality_of(const RequestHead& head, std::string_view type) {
  for (const std::string_view element : list_elements(head, "Accept")) {
    size_t end = element.find(';');
    if (!equals_ignoring_case(without_blanks(element.substr(0, end)), type)) continue;
    while (end != std::string_view::npos) {
      const size_t next = element.find(';', end + 1);
      const std::string_view parameter = without_blanks(element.substr(end + 1, next - end - 1));
      end = next;
      if (!parameter.starts_with("q=") && !parameter.starts_with("Q=")) continue;
      // A weight is 0 to 1 with three digits at most (RFC 9110 12.4.2).
      int quality = 0;
      int place = 1000;
      for (const char byte : parameter.substr(2, 5)) {
        if (byte == '.') continue;
        if (byte < '0' || byte > '9') break;
        quality += (byte - '0') * place;
        place /= 10;
      }
      return std::min(quality, 1000);
    }
    return 1000;
  }
  return -1;
}

// Who names both, as Prometheus does, gets the one that it likes better.
MetricsFormat format_for(const RequestHead& head) {
  const int open = quality_of(head, "application/openmetrics-text");
  return open > 0 && open >= quality_of(head, "text/plain") ? MetricsFormat::openmetrics
                                                            : MetricsFormat::prometheus;
}

}  // namespace

AdminAnswer refuse_admin(int status, const std::string& what, const char* abuse) {
  return {.status = status, .body = what + "\n", .abuse = abuse};
}

bool may_ask(const Address& client, const AdminRules& rules) {
  if (client.is_unix()) return true;  // its mode has decided
  if (rules.allow.empty()) return without_mapping(client).is_loopback();
  return std::any_of(rules.allow.begin(), rules.allow.end(),
                     [&client](const Cidr& range) { return range.holds(client); });
}

bool names_us(std::string_view host, const AdminRules& rules) {
  std::string_view name = host;
  std::string_view port;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    name = host.substr(1, end - 1);
    port = host.substr(end + 1);
    if (name.find(':') == std::string_view::npos) return false;
    if (!port.empty() && port[0] != ':') return false;
  } else if (const size_t colon = host.find(':'); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon);
  }
  if (!port.empty() && !is_port(port.substr(1))) return false;
  if (Address::from_ip(name, 0).ok()) return true;
  const std::string lower = lower_case(name);
  return lower == "localhost" ||
         std::find(rules.hosts.begin(), rules.hosts.end(), lower) != rules.hosts.end();
}

AdminRequest read_admin_request(const RequestHead& head, const AdminRules& rules) {
  const std::string_view* const host = head.find("Host");
  if (host == nullptr || head.count("Host") != 1) {
    return refused(refuse_admin(400, "name the host: send exactly one Host field", "no Host"));
  }
  if (!names_us(*host, rules)) {
    return refused(refuse_admin(403,
                                "the host " + printable(*host) +
                                    " is no name of this address: ask for it by its IP address or "
                                    "as localhost, or name it with admin_host in the conf",
                                "foreign Host"));
  }
  if (const std::string_view* const origin = head.find("Origin");
      origin != nullptr && (head.count("Origin") != 1 || !is_our_page(*origin, rules))) {
    return refused(refuse_admin(403,
                                "pages of " + printable(*origin) +
                                    " may not ask here: serve them under a host that admin_host "
                                    "names, or ask without a browser",
                                "foreign Origin"));
  }
  AdminRequest request;
  request.head_only = head.method == "HEAD";
  if (head.method != "GET" && !request.head_only) {
    AdminAnswer answer = refuse_admin(
        405, "nothing is changed here: send GET or HEAD; sluice -s gives commands", "method");
    answer.allow = "GET, HEAD";
    return refused(std::move(answer));
  }
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  const auto* const found = std::find_if(std::begin(pages), std::end(pages),
                                         [path](const Page& each) { return each.path == path; });
  if (found == std::end(pages)) {
    return refused(refuse_admin(
        404, "there are /, /events, /metrics, /healthz, /readyz and /status.json, and nothing else",
        "path"));
  }
  request.page = found->page;
  request.format = format_for(head);
  return request;
}

}  // namespace sluice
