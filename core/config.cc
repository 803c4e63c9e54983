// The vectors keep their memory, so that one step costs no more than its own elements.
#include "core/config.h"

namespace sluice {

namespace {

// False where nothing was left.
template <class All>
bool take_some(All& all) {
  constexpr int a_step = 8;
  if (all.empty()) return false;
  for (int i = 0; i < a_step && !all.empty(); ++i) all.pop_back();
  return true;
}

}  // namespace

std::vector<std::string> default_masked_parameters() {
  return {"access_token", "api_key", "apikey", "auth",      "authorization", "code",
          "id_token",     "jwt",     "key",    "passwd",    "password",      "refresh_token",
          "secret",       "session", "sig",    "signature", "token"};
}

void Config::index_routes() {
  route_index = RouteIndex();
  for (const RouteConfig& route : routes) route_index.add(route);
}

bool take_apart(Config& config) {
  return take_some(config.routes) || take_some(config.upstreams) || take_some(config.listeners);
}

}  // namespace sluice
