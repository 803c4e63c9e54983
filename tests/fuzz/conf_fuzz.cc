// load_conf over arbitrary text: a Config that keeps its promises, or errors that name file and
// line, the same every time, and no secret in any of them. Up to three files in one input,
// separated by a line "%%": conf/main.conf, conf/more.conf (for include) and conf/secret.
#include <algorithm>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/router.h"
#include "net/check.h"
#include "protocol/handshake.h"
#include "tests/fuzz/conf_machine.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string errors_text(const ConfOutcome& outcome) {
  std::string text;
  for (const ConfError& error : outcome.errors) text += error.text() + "\n";
  return text;
}

void check_path(const RouteConfig& route) {
  SLUICE_CHECK(bool{route.pattern} == (route.path_form == PathForm::pattern));
  if (route.path_form == PathForm::pattern) {
    SLUICE_CHECK(route.pattern.text() == route.path);
    return;
  }
  SLUICE_CHECK(route.path.starts_with('/'));
  const bool bare = route.path == "/" || !route.path.ends_with('/');
  SLUICE_CHECK(bare || route.path_form == PathForm::exact);
}

// Whatever a path is, what comes of it is a path or a fault.
void check_target(const RouteConfig& route) {
  for (const std::string_view path : {"/", "/a/b", "/%C3%A9//x;y"}) {
    const Result<std::string> made = rewritten_path(route, path);
    if (made.ok() && !made.value().empty()) SLUICE_CHECK(parse_request_target(made.value()).ok());
  }
  SLUICE_CHECK(route.by.has_value() == !route.choices.empty());
  if (!route.by) return;
  SLUICE_CHECK(!route.by->otherwise || *route.by->otherwise < route.choices.size());
  for (const auto& [value, place] : route.by->places) SLUICE_CHECK(place < route.choices.size());
}

void check_route(const RouteConfig& route, const Config& config) {
  check_target(route);
  if (!route.reply) SLUICE_CHECK(!config.upstream(route.upstream).peers.empty());
  for (const HeaderSetting& header : route.set_headers) {
    SLUICE_CHECK(is_token(header.name));
    for (const HeaderValue::Piece& piece : header.value.pieces()) {
      SLUICE_CHECK(header_value_valid(piece.text));
      const bool named = piece.variable == Variable::text || piece.variable == Variable::http ||
                         piece.variable == Variable::cookie ||
                         piece.variable == Variable::query_parameter ||
                         piece.variable == Variable::jwt_claim ||
                         piece.variable == Variable::auth_http;
      SLUICE_CHECK(named != piece.text.empty());
    }
    SLUICE_CHECK(!header_is_reserved(header.name));
  }
  for (const std::string& name : route.remove_headers) SLUICE_CHECK(is_token(name));
  for (const std::string& name : route.subprotocols) SLUICE_CHECK(is_token(name));
  if (route.host.policy == HostPolicy::fixed) SLUICE_CHECK(parse_authority(route.host.name).ok());
  for (const uint32_t time_ms : {route.connect_timeout_ms, route.handshake_timeout_ms,
                                 route.send_timeout_ms, route.close_timeout_ms}) {
    SLUICE_CHECK(time_ms > 0 && time_ms <= uint32_t{INT32_MAX});
  }
  SLUICE_CHECK(route.idle_timeout_ms <= uint32_t{INT32_MAX});
}

void check_config(const Config& config) {
  SLUICE_CHECK(!config.listeners.empty() && !config.routes.empty());
  SLUICE_CHECK(config.ring_bytes >= 16 * 1024 &&
               (config.ring_bytes & (config.ring_bytes - 1)) == 0);
  for (const ListenConfig& listener : config.listeners) {
    SLUICE_CHECK(listener.address.raw_length() > 0 && listener.client_header_timeout_ms > 0);
    SLUICE_CHECK(listener.max_header_bytes > 0);
  }
  for (const UpstreamConfig& upstream : config.upstreams) {
    SLUICE_CHECK(!upstream.peers.empty());
    for (const PeerConfig& peer : upstream.peers) {
      SLUICE_CHECK(peer.address.raw_length() > 0);
      SLUICE_CHECK(parse_authority(peer.uri.authority).ok());
    }
  }
  SLUICE_CHECK(config.route_index.routes() == config.routes.size());
  for (const RouteConfig& route : config.routes) {
    check_path(route);
    check_route(route, config);
    for (const RouteConfig& choice : route.choices) check_route(choice, config);
  }
}

void check_outcome(const ConfOutcome& outcome, const Files& files) {
  SLUICE_CHECK((outcome.config == nullptr) == !outcome.errors.empty());
  for (const ConfError& error : outcome.errors) {
    const auto file = files.find(error.file);
    SLUICE_CHECK(file != files.end() && !error.what.empty());
    const auto lines = std::count(file->second.begin(), file->second.end(), '\n') + 1;
    // Line 0 is the file as a whole: something that should stand in it and does not.
    SLUICE_CHECK(error.line >= 0 && error.line <= lines);
    SLUICE_CHECK(error.text().find('\n') == std::string::npos);
  }
  for (const std::string& warning : outcome.warnings) SLUICE_CHECK(!warning.empty());
}

bool holds(const Files& files, std::string_view text) {
  return std::any_of(files.begin(), files.end(), [text](const auto& file) {
    return file.second.find(text) != std::string::npos;
  });
}

ConfOutcome load(const Files& files) {
  testing::MemoryInputs inputs = inputs_of(files);
  return load_conf(main_file, ConfOptions(), inputs);
}

void run(std::string_view text) {
  const Files files = split(text.substr(0, most_bytes));
  const ConfOutcome first = load(files);
  const ConfOutcome second = load(files);
  check_outcome(first, files);
  if (first.config != nullptr) check_config(*first.config);
  SLUICE_CHECK(errors_text(first) == errors_text(second) && first.warnings == second.warnings);
  if (!holds(files, secret)) {
    SLUICE_CHECK(errors_text(first).find(secret) == std::string::npos);
    for (const std::string& warning : first.warnings) {
      SLUICE_CHECK(warning.find(secret) == std::string::npos);
    }
  }
  if (holds(files, "\r")) return;
  Files with_carriage_returns = files;
  for (auto& [name, content] : with_carriage_returns) {
    for (size_t at = content.find('\n'); at != std::string::npos; at = content.find('\n', at + 2)) {
      content.insert(at, 1, '\r');
    }
  }
  SLUICE_CHECK(errors_text(load(with_carriage_returns)) == errors_text(first));
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
