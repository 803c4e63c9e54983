// Columns are as wide as what is usual in them; what is longer pushes the others aside and is never
// cut, so that an id can be copied.
#include "core/process/session_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/observe/json.h"
#include "net/printable.h"

namespace sluice {

namespace {

struct Column {
  std::string_view name;
  size_t width;
};

constexpr std::array<Column, 14> columns = {{{"ID", 16},
                                             {"CLIENT", 21},
                                             {"ROUTE", 16},
                                             {"PEER", 21},
                                             {"AGE", 7},
                                             {"IDLE", 7},
                                             {"MSG IN", 8},
                                             {"BYTES IN", 11},
                                             {"MSG OUT", 8},
                                             {"BYTES OUT", 11},
                                             {"WAITS IN", 8},
                                             {"WAITS OUT", 9},
                                             {"RTT", 7},
                                             {"PEER RTT", 8}}};
using Cells = std::array<std::string, columns.size()>;

std::string row_of(const Cells& cells) {
  std::string row;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) row += "  ";
    row += cells[i];
    if (i + 1 < cells.size() && cells[i].size() < columns[i].width) {
      row.append(columns[i].width - cells[i].size(), ' ');
    }
  }
  return row;
}

std::string trip_text(uint64_t us) {
  return us < 10'000 ? std::to_string(us) + "us" : age_text(us / 1000);
}

// What does not stand there, or is none, stays as it is.
void read_text(const Json& json, const char* name, std::string& cell) {
  const auto found = json.find(name);
  if (found != json.end() && found->is_string()) cell = printable(found->get<std::string>());
}

std::optional<uint64_t> number_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

void read_age(const Json& json, const char* name, std::string& cell) {
  if (const auto value_ms = number_in(json, name)) cell = age_text(*value_ms);
}

void read_count(const Json& json, const char* name, std::string& cell) {
  if (const auto count = number_in(json, name)) cell = std::to_string(*count);
}

// Of one way: messages and bytes, into the cells from `first` on, what waits, and its side's round
// trip.
void read_way(const Json& json, const char* name, size_t first, size_t waits, size_t trip,
              Cells& cells) {
  const auto way = json.find(name);
  if (way == json.end() || !way->is_object()) return;
  read_count(*way, "messages", cells[first]);
  read_count(*way, "bytes", cells[first + 1]);
  read_count(*way, "queued", cells[waits]);
  if (const auto rtt_us = number_in(*way, "rtt_us")) cells[trip] = trip_text(*rtt_us);
}

}  // namespace

std::string session_head() {
  Cells cells;
  std::transform(columns.begin(), columns.end(), cells.begin(),
                 [](const Column& each) { return std::string(each.name); });
  return row_of(cells);
}

std::optional<std::string> session_row(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto id = json.find("id");
  if (id == json.end() || !id->is_string()) return std::nullopt;
  Cells cells;
  cells.fill("-");
  read_text(json, "id", cells[0]);
  read_text(json, "client", cells[1]);
  read_text(json, "route", cells[2]);
  read_text(json, "peer", cells[3]);
  read_age(json, "age_ms", cells[4]);
  read_age(json, "idle_ms", cells[5]);
  read_way(json, "from_client", 6, 10, 12, cells);
  read_way(json, "from_upstream", 8, 11, 13, cells);
  return row_of(cells);
}

std::string sessions_told(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  const uint64_t told = json.is_object() ? number_in(json, "sessions").value_or(0) : 0;
  const uint64_t left_out = json.is_object() ? number_in(json, "left_out").value_or(0) : 0;
  const std::string text = std::to_string(told) + (told == 1 ? " session" : " sessions");
  if (left_out == 0) return text;
  return text + ", and " + std::to_string(left_out) + " more that match: limit=N shows more";
}

std::string age_text(uint64_t milliseconds) {
  const uint64_t seconds = milliseconds / 1000;
  const auto pair = [](uint64_t large, const char* one, uint64_t small, const char* other) {
    return std::to_string(large) + one + (small == 0 ? "" : std::to_string(small) + other);
  };
  if (milliseconds < 1000) return std::to_string(milliseconds) + "ms";
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return pair(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return pair(seconds / 3600, "h", seconds % 3600 / 60, "m");
  return pair(seconds / 86'400, "d", seconds % 86'400 / 3600, "h");
}

}  // namespace sluice
