// Config: what a conf file says once it is read, checked and resolved. Plain immutable structs; a
// live session keeps the snapshot that it began with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/access_rules.h"
#include "core/address_ranges.h"
#include "core/allowed_origins.h"
#include "core/client_limits.h"
#include "core/header_value.h"
#include "core/http2_settings.h"
#include "core/ids.h"
#include "core/jwt_settings.h"
#include "core/log_format.h"
#include "core/names.h"
#include "core/password_file.h"
#include "core/route_conditions.h"
#include "core/route_index.h"
#include "net/address.h"
#include "net/check.h"
#include "net/cidr.h"
#include "net/sys.h"
#include "protocol/frames.h"
#include "protocol/uri.h"
#include "tls/client.h"
#include "tls/digest.h"
#include "tls/server.h"

namespace sluice {

enum class LogLevel : uint8_t { debug, info, notice, warn, error };

// Config::masked_parameters without a log_mask.
std::vector<std::string> default_masked_parameters();

// Where a log goes. `path` is "off", a standard stream or another descriptor as stream_of() (log.h)
// knows them, a file's path, or, where `syslog` is set, what the conf says of that.
struct LogTarget {
  std::string path;
  LogLevel level = LogLevel::info;  // error_log only
  LogFormat format = {};            // of error_log its form alone
  std::optional<SyslogTarget> syslog = {};
};

// Where the master takes commands from.
struct ControlConfig {
  Address address;  // a unix one
  sys::SocketFileAccess file{.mode = 0600};

  bool operator==(const ControlConfig&) const = default;
};

// Where metrics and health are told.
struct AdminConfig {
  Address address;
  sys::SocketFileAccess file{.mode = 0600};  // unix addresses only

  bool operator==(const AdminConfig&) const = default;
};

// Whose word is taken for who the client is.
struct TrustedProxies : AddressRanges {
  bool trust(const Address& hop) const { return hold(hop); }
};

// Settings that a listener may leave to the top.
struct ListenSettings : Http2ListenSettings {
  uint32_t client_header_timeout_ms = 10'000;
  uint32_t lingering_timeout_ms = 5'000;
  // Connections of clients whose plain request was answered: how long they are kept for the next
  // one, 0: not at all, and for how many in all, 0: as many as come.
  uint32_t keepalive_timeout_ms = 75'000;
  uint32_t keepalive_requests = 1'000;
  uint32_t max_header_bytes = 16 * 1024;  // request line plus fields
  uint32_t max_header_fields = 100;       // 0: as many as max_header_bytes hold
  RateLimit handshake_rate;               // over all workers
  uint32_t handshake_queue_time_ms = 1'000;
  TrustedProxies trusted_proxies;
  std::string real_ip_header = "X-Forwarded-For";  // the field in which they name the client
  bool proxy_protocol = false;  // each connection begins with a PROXY header of one of them
  std::string healthz;          // the path that balancers ask, answered by the worker; "": none
};

// Who may ask there, and when we are ready.
struct AdminRules {
  std::vector<Cidr> allow;                 // by TCP; empty: this machine
  std::vector<std::string> hosts;          // besides addresses and localhost; lower case
  std::vector<UpstreamId> ready_requires;  // each must have a peer that is up
  ListenSettings limits;                   // of requests
};

struct ListenConfig : ListenSettings {
  ListenerId id{};
  Address address;
  sys::SocketFileAccess socket_file;  // unix addresses only
  uint32_t backlog =
      sys::default_backlog;      // connections not yet accepted; the kernel may hold fewer
  TlsServerRef tls;              // null: plain
  AccessRules access;            // of clients
  uint32_t most_per_client = 0;  // connections from accept on, over all workers; 0: unlimited

  // Whom a connection comes from is the client: nobody stands between who is believed.
  bool knows_client_at_accept() const { return trusted_proxies.none() && !proxy_protocol; }
};

// Peers of a higher tier get sessions only while those of all lower ones are out. The priorities of
// a service are tiers from 0 on, and `backup` is added to them.
inline constexpr uint32_t backup_tier = 0x10000;

// One address that a `server` line stands for; a name with three addresses is three peers.
struct PeerConfig {
  PeerId id{};
  Address address;
  ServerUri uri;
  std::string name;              // for logs: "10.0.0.1:4000", "unix:/run/x.sock"
  uint32_t server = 0;           // which `server` line of its upstream it is of, from 0 on
  uint32_t weight = 1;           // 1 to most_weight
  uint32_t max_connections = 0;  // sessions at a time, over all workers; 0: unlimited
  uint32_t slow_start_ms = 0;    // so long its weight grows after it was out; 0: at once
  uint32_t tier = 0;
};

inline constexpr uint32_t most_weight = 1'000;

// How servers' names are resolved, and followed while sluice runs.
struct ResolverSettings {
  std::vector<Address> servers;  // name servers; empty: those of /etc/resolv.conf
  bool follow = true;            // else a name's addresses are those of the latest load
  bool required = false;         // a name without an address is an error of the conf
  // A name is asked again when its answer's TTL ends, within these bounds; first after the least
  // one and then more slowly where there was none.
  uint32_t least_interval_ms = 1'000;
  uint32_t most_interval_ms = 300'000;
  uint32_t timeout_ms = 5'000;    // for an answer, over all name servers and tries
  uint32_t most_addresses = 256;  // of a name; what is over is left out

  bool operator==(const ResolverSettings&) const = default;
};

// Which peer of an upstream gets a session: core/peers/balance.h.
enum class Balance : uint8_t { round_robin, least_conn, random_two, hash };

// When a peer gets no session because it failed: max_fails times within fail_timeout, for
// first_fail_timeout; each time that it goes on failing twice as long, up to max_fail_timeout.
struct HealthSettings {
  uint32_t max_fails = 3;  // 0: never
  uint32_t fail_timeout_ms = 10'000;
  uint32_t first_fail_timeout_ms = 1'000;
  uint32_t max_fail_timeout_ms = 300'000;
};

// The header that goes before everything else to a peer.
enum class SendProxyProtocol : uint8_t { off, v1, v2 };

// What the keeper asks each peer of an upstream, and how often (core/keeper/health_check.h).
struct CheckSettings {
  enum class Kind : uint8_t { off, tcp, http, websocket };
  struct StatusRange {
    uint16_t least = 200;
    uint16_t most = 399;

    bool operator==(const StatusRange&) const = default;
  };

  Kind kind = Kind::off;
  std::string path;                          // websocket: "" is the path of the server's URI
  std::vector<StatusRange> statuses = {{}};  // http: that a well peer answers
  uint32_t interval_ms = 5'000;              // from the beginning of one to that of the next
  uint32_t timeout_ms = 5'000;               // for all of one; at most interval_ms
  uint32_t rise = 2;                         // so many in a row bring a peer back
  uint32_t fall = 3;                         // so many put it out
  std::string host = {};                     // "": that of the server's URI
  uint32_t max_answer_header_bytes = 32 * 1024;
  // As sessions come there.
  SendProxyProtocol send_proxy_protocol = SendProxyProtocol::off;
  std::vector<Address> bind_addresses = {};

  bool operator==(const CheckSettings&) const = default;
};

// `sticky cookie NAME [ttl=TIME]`: a cookie that names the peer a client was given.
struct Sticky {
  std::string cookie;   // "": off
  uint32_t ttl_ms = 0;  // 0: until the client's own session ends

  bool operator==(const Sticky&) const = default;
};

// What becomes of sessions whose peer is not listed any more.
enum class OnPeerGone : uint8_t { keep, drain };

// Settings that an upstream may leave to the top.
struct UpstreamSettings : Http2UpstreamSettings {
  Balance balance = Balance::round_robin;
  HeaderValue hash_key;  // Balance::hash: requests with the same one go to the same peer
  HealthSettings health;
  CheckSettings check;
  Sticky sticky;
  OnPeerGone on_peer_gone = OnPeerGone::keep;
  // Connections to a peer that a worker keeps for further plain requests, 0: none, and how long
  // each may wait for one.
  uint32_t keepalive = 16;
  uint32_t keepalive_timeout_ms = 60'000;
};

// A `server` line with a name whose addresses are followed.
struct NamedServer {
  NameQuestion question;
  PeerConfig like;  // what all of its peers are; it has no address and no id of its own
};

struct UpstreamConfig : UpstreamSettings {
  UpstreamId id{};
  std::string name;               // for a proxy_pass with a URI: the URI
  std::vector<PeerConfig> peers;  // by their servers; empty only where names have no address yet
  std::vector<NamedServer> named{};
  TlsClientRef tls{};                  // null where no peer is wss://
  std::optional<Digest> sticky_key{};  // a secret; nothing: the worker's own
};

enum class HostPolicy : uint8_t { by_scheme, client, server, fixed };

// The Host field toward the upstream.
struct HostSetting {
  HostPolicy policy = HostPolicy::by_scheme;
  std::string name;  // HostPolicy::fixed
};

// The same as RateLimit, in bytes.
struct ByteRate {
  uint64_t a_second = 0;  // 0: unlimited
  uint64_t burst = 0;

  bool operator==(const ByteRate&) const = default;
};

// What becomes of a side that sends more than its rate: it is not read for a while, or ended.
enum class OnRate : uint8_t { delay, close };

// What the next peer is asked after.
struct NextPeerOn {
  bool error = true;            // no connection, no TLS, an end before the answer's first byte
  bool timeout = true;          // connect_timeout, or handshake_timeout before that byte
  bool invalid_answer = false;  // what came is no answer, or a 101 that agrees to something else
  std::vector<uint16_t> statuses;

  bool has(int status) const {
    return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
  }
};

// Settings that a route may leave to its upstream, and both to the top.
struct RouteSettings : JwtSettings {
  bool http = false;                     // requests that ask for no WebSocket are served as well
  uint32_t answer_timeout_ms = 60'000;   // of these, until the answer's head is whole
  uint32_t body_timeout_ms = 60'000;     // without a byte of a body that moves
  uint64_t max_body_bytes = UINT64_MAX;  // of a request
  HostSetting host;
  bool strip_path = false;  // the route's path does not go upstream
  bool underscore_headers = false;
  bool forwarded = false;  // the Forwarded field (RFC 7239) is written as well
  SendProxyProtocol send_proxy_protocol = SendProxyProtocol::off;
  std::vector<Address> bind_addresses;  // of ours, with port 0, in turn; empty: the system chooses
  std::vector<std::string> subprotocols;  // empty: everything the client offers travels on
  bool require_subprotocol = false;       // who offers none that travels on is refused
  AllowedOrigins allowed_origins;         // nothing given: a page from anywhere may come
  uint32_t auth_timeout_ms = 5'000;       // of an authorizer, from the connection to its answer
  uint32_t auth_cache_ms = 0;          // how long its verdicts are believed; 0: each is asked for
  ConnectionLimits limit_connections;  // of WebSockets
  ClientRate limit_handshakes;         // of each client, for WebSockets
  // `auth_basic`: one more than the place of its users in Config::password_files, 0: none are asked
  // for; what the client is told that it must be known in, and how long a check may take.
  uint32_t password_file = 0;
  std::string auth_realm;
  uint32_t auth_basic_timeout_ms = 10'000;
  uint32_t connect_timeout_ms = 5'000;
  uint32_t handshake_timeout_ms = 10'000;
  NextPeerOn next_peer_on;
  uint32_t hedge_after_ms = 0;         // a peer that is not connected by then gets a rival; 0: off
  uint32_t next_peer_tries = 0;        // peers that one request is given; 0: as many as there are
  uint32_t next_peer_timeout_ms = 0;   // from the first try to the beginning of the last; 0: off
  uint32_t idle_timeout_ms = 600'000;  // 0: off
  uint16_t idle_code = 1001;           // of the Close then
  uint32_t max_session_age_ms = 0;     // 0: off
  uint8_t session_age_jitter = 10;     // percent by which it may come earlier
  // The proxy's own pings toward each side: after how much silence, 0: none, and how long the pong
  // may take.
  uint32_t client_ping_interval_ms = 0;
  uint32_t client_ping_timeout_ms = 10'000;
  uint32_t upstream_ping_interval_ms = 0;
  uint32_t upstream_ping_timeout_ms = 10'000;
  uint32_t send_timeout_ms = 60'000;
  uint32_t max_queued_time_ms = 0;      // 0: off
  uint32_t tcp_keepalive_ms = 300'000;  // 0: off
  uint32_t close_timeout_ms = 5'000;
  uint16_t lost_close_code = 0;  // what clients are sent when the upstream is lost; 0: no Close
  uint32_t max_answer_header_bytes = 32 * 1024;  // the interim ones before it included
  uint64_t max_message_bytes = 0;                // 0: unlimited
  uint32_t max_small_fragments = 1024;           // 0: unlimited
  RateLimit control_frame_rate{100, 1000};
  // What each side may send of messages and of frames' bytes; nothing a second: unlimited.
  RateLimit client_message_rate;
  RateLimit upstream_message_rate;
  ByteRate client_byte_rate;
  ByteRate upstream_byte_rate;
  OnRate on_rate = OnRate::delay;
  bool validate_utf8 = false;
};

// `return`: the answer that a route gives by itself.
struct Reply {
  uint16_t status = 0;
  HeaderValue location;      // of a redirect; else no pieces
  std::string content_type;  // "" where there is no body
  std::string body;
};

// `upstream_by`: a route leads to one of several upstreams, by what a variable stands for.
struct UpstreamBy {
  HeaderValue value;
  std::map<std::string, size_t, std::less<>> places;  // by that, in RouteConfig::choices
  std::optional<size_t> otherwise;                    // nothing: who has another value is refused
};

// `rewrite_path`: what goes upstream of a path in which the pattern is found.
struct PathRewrite {
  Pattern pattern;
  std::string to;  // Pattern::rewritten()'s
};

struct RouteConfig : RouteSettings, RouteConditions {
  RouteKey key{};
  RouteId id{};
  UpstreamId upstream{};              // one of Config::upstreams; of none with a reply
  AccessRules access;                 // of clients
  std::optional<Reply> reply;         // none: requests go to the upstream
  std::vector<PathRewrite> rewrites;  // the first whose pattern is found
  std::vector<HeaderSetting> set_headers;
  std::vector<std::string> remove_headers;
  std::vector<std::string> keep_headers;
  std::vector<HeaderSetting> set_answer_headers;  // of what the upstream answers
  std::vector<std::string> remove_answer_headers;
  // With upstream_by, this route as it is with each of its upstreams, which settings may come from;
  // `upstream` is the first one's.
  std::optional<UpstreamBy> by;
  std::vector<RouteConfig> choices;
  // `auth_request`: the way to who is asked before a request goes on; nobody is, where it is empty.
  // It has one element at most, whose `upstream` and settings are the authorizer's, and whose
  // `path` is the target that is asked for there.
  std::vector<RouteConfig> authorizer;
  std::vector<std::string> auth_fields;  // NAMEs of $auth_http_NAME in what the route sets
  const char* answer_limit = "handshake_timeout";  // the directive of handshake_timeout_ms
};

// When a certificate of ours that some line names ends.
struct CertificateEnd {
  std::string what;  // "FILE:LINE: tls_certificate: "site.pem": a certificate in it"
  int64_t at_s = 0;  // since 1970
};

// The most that the directive "workers" takes.
inline constexpr uint32_t most_workers = 512;

// The most that the directive "auth_basic_queue" takes.
inline constexpr uint32_t most_auth_basic_queue = 1'024;

// buffer_memory is at least so many times ring_size.
inline constexpr uint32_t least_rings_in_buffer_memory = 4;

struct Config {
  std::string file;      // the conf's path, for messages
  uint32_t workers = 0;  // 0: auto, one a core
  std::string user;      // "": sluice where there is one, else nobody
  LogTarget error_log{"stderr", LogLevel::info};
  LogTarget access_log{"off", LogLevel::info};
  bool log_query = false;
  // Lower-case names of query parameters whose values no log shows; sorted.
  std::vector<std::string> masked_parameters = default_masked_parameters();
  std::string pid_file;  // "": none
  std::string acme_dir;  // where challenges lie (core/session/challenges.h); "": none are answered
  std::optional<ControlConfig> control;
  std::optional<AdminConfig> admin;
  AdminRules admin_rules;
  uint32_t ring_bytes = 256 * 1024;
  bool splice = true;
  uint32_t worker_timeout_ms = 30'000;  // 0: off
  uint32_t drain_timeout_ms = 60'000;   // 0: off
  uint16_t drain_code = 1001;
  bool sandbox = true;                               // of workers: core/process/privileges.h
  uint32_t worker_connections = 0;                   // 0: as many as descriptors permit
  uint32_t client_table_size = 131'072;              // entries: core/process/client_memory.h
  uint64_t buffer_memory_bytes = 0;                  // a worker; 0: auto
  uint32_t auth_cache_size = 1'000;                  // verdicts that a worker keeps
  uint32_t tls_ticket_lifetime_ms = 12 * 3'600'000;  // 0: no tickets
  bool tls_reload_on_change = false;
  std::optional<Digest> sticky_key;  // of sticky_key's file: a secret, never logged
  ResolverSettings resolver;
  std::vector<PasswordHashes> password_files;  // of auth_basic lines
  uint32_t auth_basic_queue = 64;              // passwords that wait at a time, over all workers
  uint32_t auth_basic_cache = 1'000;           // right ones that a worker remembers; 0: none
  // Files that TLS directives name, by that path and, where it is another one, by the canonical.
  std::vector<std::string> tls_files;
  std::vector<CertificateEnd> certificate_ends;  // those that we show, with their chains
  std::vector<ListenConfig> listeners;
  std::vector<UpstreamConfig> upstreams;  // sorted by their ids
  std::vector<RouteConfig> routes;
  RouteIndex route_index;  // of all of them

  // Makes the index of routes that were put there by hand.
  void index_routes();

  // The upstream of that id; null where it is not among `upstreams`.
  const UpstreamConfig* find_upstream(UpstreamId id) const {
    const auto found = std::lower_bound(
        upstreams.begin(), upstreams.end(), id,
        [](const UpstreamConfig& each, UpstreamId wanted) { return each.id < wanted; });
    return found != upstreams.end() && found->id == id ? &*found : nullptr;
  }
  // The same where it must be among them, as every route's is.
  const UpstreamConfig& upstream(UpstreamId id) const {
    const UpstreamConfig* const found = find_upstream(id);
    SLUICE_CHECK(found != nullptr);
    return *found;
  }

  // How many there are in this process: the one in force, those that sessions still hold, and those
  // that are being loaded.
  static inline uint32_t living = 0;
  static inline uint64_t made = 0;
  struct Counted {
    Counted() { ++living; }
    Counted(Counted&& other) noexcept : serial(other.serial) { ++living; }
    Counted& operator=(Counted&& other) noexcept {
      serial = other.serial;
      return *this;
    }
    ~Counted() { --living; }

    uint64_t serial = ++made;  // no other one's in this process, before or after
  };
  Counted counted = {};

  // Counts the sessions (and the worker) that hold this snapshot; a worker is single-threaded.
  mutable uint32_t references = 0;
};

// Destroys a small part of it: whole it takes milliseconds where there are 1,000 routes. False when
// little is left. The Config is good for nothing but this and its destructor then.
bool take_apart(Config& config);

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

  // The Config itself where this is the last reference, for who takes it apart; else null, and
  // nothing changes.
  std::unique_ptr<Config> take_last() {
    if (config_ == nullptr || config_->references != 1) return nullptr;
    config_->references = 0;
    return std::unique_ptr<Config>(const_cast<Config*>(std::exchange(config_, nullptr)));
  }

  const Config& operator*() const { return *config_; }
  const Config* operator->() const { return config_; }
  explicit operator bool() const { return config_ != nullptr; }

 private:
  const Config* config_ = nullptr;
};

}  // namespace sluice
