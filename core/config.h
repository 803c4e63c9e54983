// Config: what a conf file says once it is read, checked and resolved. Plain immutable structs; a
// live session keeps the snapshot that it began with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/header_value.h"
#include "core/ids.h"
#include "net/address.h"
#include "net/check.h"
#include "net/sys.h"
#include "protocol/frames.h"
#include "protocol/uri.h"
#include "tls/context.h"

namespace sluice {

enum class LogLevel : uint8_t { debug, info, notice, warn, error };

// Where a log goes. `path` is "off", a standard stream or another descriptor as stream_of() (log.h)
// knows them, or a file's path.
struct LogTarget {
  std::string path;
  LogLevel level = LogLevel::info;  // error_log only
};

// Settings that a listener may leave to the top.
struct ListenSettings {
  uint32_t client_header_timeout_ms = 10'000;
  uint32_t lingering_timeout_ms = 5'000;
  uint32_t max_header_bytes = 16 * 1024;  // request line plus fields
  uint32_t max_header_fields = 100;       // 0: as many as max_header_bytes hold
};

struct ListenConfig : ListenSettings {
  ListenerId id{};
  Address address;
  sys::SocketFileAccess socket_file;  // unix addresses only
  uint32_t backlog =
      sys::default_backlog;        // connections not yet accepted; the kernel may hold fewer
  std::unique_ptr<TlsServer> tls;  // null: plain
};

// One address that a `server` line stands for; a name with three addresses is three peers.
struct PeerConfig {
  PeerId id{};
  Address address;
  ServerUri uri;
  std::string name;  // for logs: "10.0.0.1:4000", "unix:/run/x.sock"
};

struct UpstreamConfig {
  UpstreamId id{};
  std::string name;                  // for a proxy_pass with a URI: the URI
  std::vector<PeerConfig> peers;     // never empty
  std::unique_ptr<TlsClient> tls{};  // null where no peer is wss://
};

// `set_header NAME VALUE`; the value's text is fully expanded and may be a secret: never logged.
struct HeaderSetting {
  std::string name;
  HeaderValue value;

  bool operator==(const HeaderSetting&) const = default;
};

enum class HostPolicy : uint8_t { by_scheme, client, server, fixed };

struct HeaderMatch {
  std::string name;
  std::string value;  // compared exactly; empty: the field must only be present
};

// The Host field toward the upstream.
struct HostSetting {
  HostPolicy policy = HostPolicy::by_scheme;
  std::string name;  // HostPolicy::fixed
};

// Settings that a route may leave to its upstream, and both to the top.
struct RouteSettings {
  HostSetting host;
  bool underscore_headers = false;
  std::vector<std::string> subprotocols;  // empty: everything the client offers travels on
  uint32_t connect_timeout_ms = 5'000;
  uint32_t handshake_timeout_ms = 10'000;
  std::vector<uint16_t> next_peer_on;  // an answer's statuses that the next peer is asked after
  uint32_t idle_timeout_ms = 600'000;  // 0: off
  uint32_t send_timeout_ms = 60'000;
  uint32_t tcp_keepalive_ms = 300'000;  // 0: off
  uint32_t close_timeout_ms = 5'000;
  uint16_t lost_close_code = 0;  // what clients are sent when the upstream is lost; 0: no Close
  uint32_t max_answer_header_bytes = 32 * 1024;  // the interim ones before it included
  uint64_t max_message_bytes = 0;                // 0: unlimited
  uint32_t max_small_fragments = 1024;           // 0: unlimited
  RateLimit control_frame_rate{100, 1000};
  bool validate_utf8 = false;
};

struct RouteConfig : RouteSettings {
  RouteKey key{};
  std::string path;        // in normal form (RFC 3986 6.2.2), no '/' at its end but of "/" itself
  std::string match_host;  // lower case, "" matches all; "*.example.org" matches any subdomain
  std::vector<HeaderMatch> match_headers;  // all must match
  UpstreamId upstream{};                   // one of Config::upstreams
  std::vector<HeaderSetting> set_headers;
  std::vector<std::string> remove_headers;
  std::vector<std::string> keep_headers;
};

// buffer_memory is at least so many times ring_size.
inline constexpr uint32_t least_rings_in_buffer_memory = 4;

struct Config {
  std::string file;      // the conf's path, for messages
  uint32_t workers = 0;  // 0: auto, one a core
  std::string user;      // "": sluice where there is one, else nobody
  LogTarget error_log{"stderr", LogLevel::info};
  LogTarget access_log{"off", LogLevel::info};
  bool log_query = false;
  std::string pid_file;  // "": none
  uint32_t ring_bytes = 256 * 1024;
  bool splice = true;
  uint32_t worker_connections = 0;                   // 0: as many as descriptors permit
  uint64_t buffer_memory_bytes = 0;                  // a worker; 0: auto
  uint32_t tls_ticket_lifetime_ms = 12 * 3'600'000;  // 0: no tickets
  std::vector<ListenConfig> listeners;
  std::vector<UpstreamConfig> upstreams;  // sorted by their ids
  std::vector<RouteConfig> routes;

  // The upstream of that id, which must be among `upstreams`, as every route's is.
  const UpstreamConfig& upstream(UpstreamId id) const {
    const auto found = std::lower_bound(
        upstreams.begin(), upstreams.end(), id,
        [](const UpstreamConfig& each, UpstreamId wanted) { return each.id < wanted; });
    SLUICE_CHECK(found != upstreams.end() && found->id == id);
    return *found;
  }

  // Counts the sessions (and the worker) that hold this snapshot; a worker is single-threaded.
  mutable uint32_t references = 0;
};

// A counted reference to a Config; the last one deletes it.
class ConfigRef {
 public:
  ConfigRef() = default;
  explicit ConfigRef(const Config* config) : config_(config) {
    if (config_ != nullptr) ++config_->references;
  }
  ConfigRef(const ConfigRef& other) : ConfigRef(other.config_) {}
  ConfigRef(ConfigRef&& other) noexcept : config_(std::exchange(other.config_, nullptr)) {}
  ConfigRef& operator=(ConfigRef other) noexcept {
    std::swap(config_, other.config_);
    return *this;
  }
  ~ConfigRef() {
    if (config_ != nullptr && --config_->references == 0) delete config_;
  }

  const Config& operator*() const { return *config_; }
  const Config* operator->() const { return config_; }
  explicit operator bool() const { return config_ != nullptr; }

 private:
  const Config* config_ = nullptr;
};

}  // namespace sluice
