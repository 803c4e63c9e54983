// What `sluice top` knows at a time: the admin address's status.json and the control socket's
// sessions, read leniently, because a newer or an older sluice may answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct TopCount {
  std::string name{};
  uint64_t count = 0;
};

struct TopLoad {
  uint64_t worker = 0;  // its number
  double busy = 0;      // how much of the latest second its loop worked, from 0 to 1
};

struct TopRoute {
  std::string name{};
  std::string upstream{};
  uint64_t sessions = 0;
  uint64_t handshakes = 0;
  uint64_t refused = 0;
  uint64_t messages = 0;
  uint64_t bytes = 0;
};

struct TopPeer {
  std::string upstream{};
  std::string name{};
  std::string state{};   // "up", "out"
  std::string reason{};  // of its latest failure; "": none
  std::string check{};   // "": it is not checked
  uint64_t sessions = 0;
  uint64_t failures = 0;
  std::optional<uint64_t> since_s{};
};

struct TopSession {
  std::string id{};
  std::string client{};
  std::string route{};
  std::string peer{};
  uint64_t messages = 0;  // both ways
  uint64_t bytes = 0;
  uint64_t queued = 0;
  uint64_t age_ms = 0;
  uint64_t idle_ms = 0;
};

// Texts are others': whoever shows them escapes them.
struct TopStatus {
  std::string version{};
  std::string conf{};
  uint64_t generation = 0;
  uint64_t uptime_s = 0;
  uint64_t now_ms = 0;  // the monotonic clock: rates are by it
  bool ending = false;
  bool latest_reload_bad = false;
  uint64_t sessions = 0;
  uint64_t accepted = 0;
  uint64_t handshakes = 0;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  std::vector<TopCount> refused{};
  std::vector<TopRoute> routes{};
  std::vector<TopPeer> peers{};
  uint64_t workers = 0;
  uint64_t workers_missing = 0;  // that have no process
  std::vector<TopLoad> loads{};  // of those that tell
  std::string certificate{};     // which ends first; "": there is none
  std::optional<int64_t> certificate_days{};
  std::vector<TopSession> session_list{};
  uint64_t sessions_left_out = 0;  // of the list
  std::string sessions_wrong{};    // why there is no list; "": there is one
};

// Nullopt where it is no status. Members that lack, or are of another kind, count as 0 and "".
std::optional<TopStatus> read_top_status(std::string_view json);
// Nullopt where the line is not about a session.
std::optional<TopSession> read_top_session(std::string_view line);

}  // namespace sluice
