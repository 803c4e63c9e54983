// Facts: what variables stand for in one request, for whatever is filled in of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/session/session_context.h"
#include "core/session/upstream_request.h"
#include "core/session/variables.h"

namespace sluice {

class Facts {
 public:
  // Both outlive this.
  Facts(const SessionContext& lent, const ClientRequest& client)
      : client_ip_(lent.client_address.has_ip() ? lent.client_address.host_text() : ""),
        request_id_(lent.id_text()) {
    facts_.head = &client.head;
    facts_.request = &client.upgrade;
    facts_.remote_addr = client_ip_;
    facts_.remote_port = lent.client_address.port();
    facts_.scheme = client.hop.over_tls ? "https" : "http";
    facts_.request_id = request_id_;
    facts_.tls = client.tls;
    facts_.authorized = client.authorized;
    facts_.claims = client.claims;
    facts_.remote_user = client.user;
  }
  Facts(const Facts&) = delete;
  Facts& operator=(const Facts&) = delete;

  const std::string& client_ip() const { return client_ip_; }
  std::string_view scheme() const { return facts_.scheme; }
  // As HeaderValue::filled() asks.
  std::optional<std::string> operator()(Variable variable, std::string_view name) const {
    return value_of(variable, name, facts_);
  }

 private:
  std::string client_ip_;
  std::string request_id_;
  RequestFacts facts_;
};

}  // namespace sluice
