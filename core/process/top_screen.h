// TopScreen: what `sluice top` shows, and which keys change that. Pure: statuses and keys come in,
// lines go out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/process/top_status.h"
#include "core/process/top_table.h"

namespace sluice {

struct TopLine {
  enum class Look : uint8_t { plain, head, bold, bad };

  std::string text;  // printable ASCII, no longer than the screen is wide
  Look look = Look::plain;
};

// Changes a second between two statuses; 0 without an earlier one.
struct TopRates {
  double handshakes = 0;
  double accepted = 0;
  double refused = 0;
  double messages = 0;
  double bytes = 0;
};

class TopScreen {
 public:
  static constexpr size_t most_filter_bytes = 64;

  // The latest status takes the place of the one before, against which rates are. Not while it
  // rests (p).
  void take(TopStatus status);
  // Why there is no newer one; "": there is.
  void complain(std::string why) { complaint_ = std::move(why); }

  // Bytes as a terminal sends them. False: it is to end.
  bool take_keys(std::string_view bytes);

  // At most that many lines of that many columns. `rows` 0: all that there is, without the keys.
  std::vector<TopLine> lines(size_t columns, size_t rows);

  bool rests() const { return rests_; }
  const TopStatus& status() const { return now_; }
  TopRates rates() const;
  // Bytes a second of a session of the list.
  double rate_of(const TopSession& session) const;

 private:
  static constexpr size_t tables = 3;
  enum Which : size_t { routes = 0, peers = 1, sessions = 2 };

  struct Shown {
    size_t sorted;
    bool reverse = false;
    size_t first = 0;  // row at the top, where it has the focus
  };

  bool take_key(std::string_view& bytes);
  void edit_filter(char key);
  void move(long rows);
  double a_second(uint64_t now, uint64_t before) const;
  std::string totals_line() const;
  std::string refused_line() const;
  TopLine load_line() const;  // where there are any loads
  std::vector<TopLine> notices() const;
  TopTable table(size_t which) const;
  TopTable route_table() const;
  TopTable peer_table() const;
  TopTable session_table() const;
  void add_table(std::vector<TopLine>& lines, size_t which, size_t room, size_t columns);
  std::string keys_line() const;
  std::array<size_t, tables> needed() const;
  std::array<size_t, tables> shared(size_t lines) const;

  TopStatus before_;
  TopStatus now_;
  bool has_before_ = false;
  std::string complaint_;
  std::array<Shown, tables> shown_;
  size_t focus_ = routes;
  std::string filter_;
  bool typing_ = false;  // the filter
  bool rests_ = false;

 public:
  TopScreen();
};

}  // namespace sluice
