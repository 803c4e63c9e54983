// TopScreen: totals above, three tables below each other, the keys at the bottom.
#include "core/process/top_screen.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/process/session_table.h"

namespace sluice {

namespace {

using Look = TopLine::Look;

constexpr size_t least_lines_of_a_table = 3;  // its head, and two
constexpr size_t most_sessions_at_once = 20;  // where everything is shown
constexpr int64_t few_days = 30;
constexpr size_t page_rows = 10;
constexpr double high_load = 0.85;  // as on the page of the admin address

TopCell text_cell(std::string_view text) {
  return {text.empty() ? "-" : plain(text), 0};
}

TopCell count_cell(uint64_t count) {
  return {short_count(static_cast<double>(count)), static_cast<double>(count)};
}

TopCell rate_cell(double rate) {
  return {short_rate(rate), rate};
}

TopCell age_cell(uint64_t age_ms) {
  return {age_text(age_ms), static_cast<double>(age_ms)};
}

// Where no more than seconds is known.
std::string seconds_text(uint64_t seconds) {
  return seconds == 0 ? "0s" : age_text(std::min(seconds, UINT64_MAX / 1000) * 1000);
}

TopColumn text_column(std::string name) {
  return {std::move(name), false, true};
}

TopColumn number_column(std::string name) {
  return {std::move(name), true, false};
}

std::string cut(std::string text, size_t columns) {
  if (text.size() > columns) text.resize(columns);
  return text;
}

std::string padded(std::string text, size_t columns) {
  text.resize(columns, ' ');
  return text;
}

// The one with that name, in an earlier status; nullptr where there was none.
template <class Thing, class Same>
const Thing* earlier(const std::vector<Thing>& things, Same same) {
  const auto found = std::find_if(things.begin(), things.end(), same);
  return found == things.end() ? nullptr : &*found;
}

std::string percent(double fraction) {
  return std::to_string(std::lround(fraction * 100)) + " %";
}

uint64_t sum_of(const std::vector<TopCount>& counts) {
  uint64_t sum = 0;
  for (const TopCount& each : counts) sum += each.count;
  return sum;
}

}  // namespace

// Sorted as an operator looks first: many sessions, peers that are out, much traffic.
TopScreen::TopScreen() : shown_{{{.sorted = 2}, {.sorted = 2}, {.sorted = 4}}} {}

void TopScreen::take(TopStatus status) {
  complaint_.clear();
  if (rests_) return;
  // One that started anew counts from 0.
  has_before_ =
      status.now_ms > now_.now_ms && !now_.version.empty() && status.uptime_s >= now_.uptime_s;
  before_ = std::exchange(now_, std::move(status));
}

double TopScreen::a_second(uint64_t now, uint64_t before) const {
  if (!has_before_ || now < before) return 0;
  return static_cast<double>(now - before) * 1000 /
         static_cast<double>(now_.now_ms - before_.now_ms);
}

TopRates TopScreen::rates() const {
  return {.handshakes = a_second(now_.handshakes, before_.handshakes),
          .accepted = a_second(now_.accepted, before_.accepted),
          .refused = a_second(sum_of(now_.refused), sum_of(before_.refused)),
          .messages = a_second(now_.messages, before_.messages),
          .bytes = a_second(now_.bytes, before_.bytes)};
}

// --- keys

bool TopScreen::take_keys(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!take_key(bytes)) return false;
  }
  return true;
}

// Takes one from the beginning. What a terminal sends for arrows begins with ESC, and a lone ESC is
// a key of its own.
bool TopScreen::take_key(std::string_view& bytes) {
  const char key = bytes.front();
  if (key == '\x1b' && bytes.size() > 1 && (bytes[1] == '[' || bytes[1] == 'O')) {
    size_t end = 2;
    while (end < bytes.size() && (bytes[end] < '@' || bytes[end] > '~')) ++end;
    const std::string_view sequence = bytes.substr(2, end < bytes.size() ? end - 1 : end - 2);
    bytes.remove_prefix(std::min(bytes.size(), end + 1));
    if (sequence == "A") move(-1);
    if (sequence == "B") move(1);
    if (sequence == "5~") move(-static_cast<long>(page_rows));
    if (sequence == "6~") move(static_cast<long>(page_rows));
    if (sequence == "Z") focus_ = (focus_ + tables - 1) % tables;
    return true;
  }
  bytes.remove_prefix(1);
  if (key == '\x03') return false;  // Ctrl-C
  if (typing_) {
    edit_filter(key);
    return true;
  }
  Shown& shown = shown_[focus_];
  switch (key) {
    case 'q':
      return false;
    case '\t':
      focus_ = (focus_ + 1) % tables;
      break;
    case 's':
      shown.sorted = (shown.sorted + 1) % table(focus_).columns().size();
      shown.first = 0;
      break;
    case 'r':
      shown.reverse = !shown.reverse;
      shown.first = 0;
      break;
    case 'k':
      move(-1);
      break;
    case 'j':
      move(1);
      break;
    case 'p':
      rests_ = !rests_;
      break;
    case '/':
      typing_ = true;
      break;
    case '\x1b':
      filter_.clear();
      break;
    default:
      break;
  }
  return true;
}

void TopScreen::edit_filter(char key) {
  if (key == '\r' || key == '\n') {
    typing_ = false;
  } else if (key == '\x1b') {
    typing_ = false;
    filter_.clear();
  } else if (key == '\x7f' || key == '\b') {
    if (!filter_.empty()) filter_.pop_back();
  } else if (key >= ' ' && key <= '~' && filter_.size() < most_filter_bytes) {
    filter_ += key;
  }
  for (Shown& each : shown_) each.first = 0;
}

void TopScreen::move(long rows) {
  const auto last = static_cast<long>(table(focus_).size()) - 1;
  const long to = static_cast<long>(shown_[focus_].first) + rows;
  shown_[focus_].first = static_cast<size_t>(std::clamp(to, 0L, std::max(0L, last)));
}

// --- the lines above the tables

std::string TopScreen::totals_line() const {
  const TopRates rate = rates();
  return "sessions " + std::to_string(now_.sessions) + "   handshakes/s " +
         short_rate(rate.handshakes) + "   accepted/s " + short_rate(rate.accepted) +
         "   messages/s " + short_rate(rate.messages) + "   bytes/s " + short_rate(rate.bytes);
}

// The busiest first: with many workers there is no room for all.
TopLine TopScreen::load_line() const {
  std::vector<TopLoad> loads = now_.loads;
  std::stable_sort(loads.begin(), loads.end(),
                   [](const TopLoad& a, const TopLoad& b) { return a.busy > b.busy; });
  double sum = 0;
  for (const TopLoad& each : loads) sum += each.busy;
  std::string line = "load " + percent(sum / static_cast<double>(loads.size()));
  for (const TopLoad& each : loads) {
    line += "   worker " + std::to_string(each.worker) + " " + percent(each.busy);
  }
  return {std::move(line), loads.front().busy > high_load ? Look::bad : Look::plain};
}

std::string TopScreen::refused_line() const {
  std::string line = "refused/s " + short_rate(rates().refused);
  for (const TopCount& each : now_.refused) {
    const TopCount* const was = earlier(
        before_.refused, [&each](const TopCount& other) { return other.name == each.name; });
    line += "   " + plain(each.name) + " " +
            short_rate(a_second(each.count, was == nullptr ? 0 : was->count)) + " (" +
            short_count(static_cast<double>(each.count)) + ")";
  }
  return line;
}

std::vector<TopLine> TopScreen::notices() const {
  std::vector<TopLine> all;
  const auto add = [&all](std::string text) { all.push_back({std::move(text), Look::bad}); };
  if (!complaint_.empty()) add(plain(complaint_));
  if (now_.ending) add("sluice is ending: no more clients are accepted, or none soon");
  if (now_.latest_reload_bad) {
    add("the latest reload was refused: another conf is in force than its file has");
  }
  if (now_.workers_missing > 0) {
    add(std::to_string(now_.workers_missing) + " of " + std::to_string(now_.workers) +
        " workers accept nobody");
  }
  if (now_.certificate_days && *now_.certificate_days < few_days) {
    const std::string days = std::to_string(*now_.certificate_days);
    add((*now_.certificate_days < 0 ? "a certificate has ended: "
                                    : "a certificate ends in " + days + " days: ") +
        plain(now_.certificate));
  }
  return all;
}

// --- the tables

TopTable TopScreen::route_table() const {
  TopTable table({text_column("ROUTE"), text_column("UPSTREAM"), number_column("SESSIONS"),
                  number_column("HANDSHAKES/S"), number_column("REFUSED/S"),
                  number_column("MESSAGES/S"), number_column("BYTES/S")});
  static const TopRoute none;
  const auto& earlier_routes = before_.routes;
  for (size_t i = 0; i < now_.routes.size(); ++i) {
    const TopRoute& each = now_.routes[i];
    // Nearly always at the same place.
    const bool same = i < earlier_routes.size() && earlier_routes[i].name == each.name;
    const TopRoute* const found =
        same ? &earlier_routes[i]
             : earlier(earlier_routes, [&each](const TopRoute& r) { return r.name == each.name; });
    const TopRoute& was = found == nullptr ? none : *found;
    table.add({{text_cell(each.name), text_cell(each.upstream), count_cell(each.sessions),
                rate_cell(a_second(each.handshakes, was.handshakes)),
                rate_cell(a_second(each.refused, was.refused)),
                rate_cell(a_second(each.messages, was.messages)),
                rate_cell(a_second(each.bytes, was.bytes))},
               false});
  }
  return table;
}

TopTable TopScreen::peer_table() const {
  TopTable table({text_column("UPSTREAM"), text_column("PEER"), TopColumn{"STATE", false, false},
                  number_column("FOR"), number_column("SESSIONS"), number_column("FAILURES"),
                  text_column("LATEST FAILURE"), text_column("CHECK")});
  for (const TopPeer& each : now_.peers) {
    const TopCell since =
        each.since_s ? TopCell{seconds_text(*each.since_s), static_cast<double>(*each.since_s)}
                     : TopCell{"-"};
    table.add({{text_cell(each.upstream), text_cell(each.name), text_cell(each.state), since,
                count_cell(each.sessions), count_cell(each.failures), text_cell(each.reason),
                text_cell(each.check)},
               each.state != "up" || each.check == "down"});
  }
  return table;
}

double TopScreen::rate_of(const TopSession& session) const {
  const TopSession* const was =
      earlier(before_.session_list, [&session](const TopSession& s) { return s.id == session.id; });
  return was == nullptr ? 0 : a_second(session.bytes, was->bytes);
}

TopTable TopScreen::session_table() const {
  TopTable table({TopColumn{"SESSION", false, false}, text_column("CLIENT"), text_column("ROUTE"),
                  text_column("PEER"), number_column("BYTES/S"), number_column("BYTES"),
                  number_column("MESSAGES"), number_column("WAITS"), number_column("IDLE"),
                  number_column("AGE")});
  // By id: each is looked for once.
  std::vector<std::pair<std::string_view, uint64_t>> was;
  for (const TopSession& each : before_.session_list) was.emplace_back(each.id, each.bytes);
  std::sort(was.begin(), was.end());
  for (const TopSession& each : now_.session_list) {
    const auto found =
        std::lower_bound(was.begin(), was.end(), std::pair(std::string_view(each.id), uint64_t{0}));
    const bool known = found != was.end() && found->first == each.id;
    table.add({{text_cell(each.id), text_cell(each.client), text_cell(each.route),
                text_cell(each.peer), rate_cell(known ? a_second(each.bytes, found->second) : 0),
                count_cell(each.bytes), count_cell(each.messages), count_cell(each.queued),
                age_cell(each.idle_ms), age_cell(each.age_ms)},
               false});
  }
  return table;
}

TopTable TopScreen::table(size_t which) const {
  TopTable table = which == routes  ? route_table()
                   : which == peers ? peer_table()
                                    : session_table();
  table.filter(filter_);
  table.sort(shown_[which].sorted, shown_[which].reverse);
  return table;
}

// `room`: lines, its head among them.
void TopScreen::add_table(std::vector<TopLine>& lines, size_t which, size_t room, size_t columns) {
  const TopTable shown = table(which);
  size_t rows = room - 1;
  Shown& how = shown_[which];
  if (shown.size() <= rows) how.first = 0;
  how.first = std::min(how.first, shown.size());
  const size_t first = which == focus_ ? how.first : 0;
  const std::vector<size_t> widths = shown.widths(first, rows, columns);
  lines.push_back({padded(cut(shown.head_line(widths, how.sorted, how.reverse), columns), columns),
                   which == focus_ ? Look::head : Look::bold});
  if (which == sessions && !now_.sessions_wrong.empty() && rows > 0) {
    lines.push_back({cut(plain(now_.sessions_wrong), columns)});
    return;
  }
  if (which == sessions && now_.sessions_left_out > 0 && rows > 1) {
    lines.push_back({cut("of the first " + std::to_string(now_.session_list.size()) + "; " +
                             std::to_string(now_.sessions_left_out) +
                             " more were not looked at: --sessions N looks at more",
                         columns)});
    --rows;
  }
  for (size_t i = first; i < shown.size() && i - first < rows; ++i) {
    lines.push_back(
        {cut(shown.line(i, widths), columns), shown.row(i).bad ? Look::bad : Look::plain});
  }
}

std::string TopScreen::keys_line() const {
  if (typing_) return "filter: " + filter_ + "_  (Enter: done, Esc: none)";
  std::string keys =
      "q quit  Tab next table  s sort by  r reverse  up/down move  / filter  p pause";
  if (!filter_.empty()) keys = "filter \"" + filter_ + "\" (Esc: none)  " + keys;
  return (rests_ ? "PAUSED  " : "") + keys;
}

// Lines for all rows of each table, its head, and what is said of the list of sessions.
std::array<size_t, TopScreen::tables> TopScreen::needed() const {
  std::array<size_t, tables> lines{};
  for (size_t i = 0; i < tables; ++i) lines[i] = 1 + table(i).size();
  lines[sessions] = std::min(lines[sessions], 1 + most_sessions_at_once);
  if (!now_.sessions_wrong.empty() || now_.sessions_left_out > 0) ++lines[sessions];
  return lines;
}

// Each its third, as far as it needs that; what is left is for the one with the focus, then for the
// sessions. Where thirds are too small it has everything.
std::array<size_t, TopScreen::tables> TopScreen::shared(size_t lines) const {
  std::array<size_t, tables> room{};
  if (lines / tables < least_lines_of_a_table) {
    room[focus_] = lines;
    return room;
  }
  std::array<size_t, tables> need{};
  for (size_t i = 0; i < tables; ++i) need[i] = 1 + table(i).size();
  if (!now_.sessions_wrong.empty() || now_.sessions_left_out > 0) ++need[sessions];
  size_t spare = lines;
  for (size_t i = 0; i < tables; ++i) {
    room[i] = std::min(need[i], lines / tables);
    spare -= room[i];
  }
  for (const size_t i : {focus_, size_t{sessions}, size_t{peers}, size_t{routes}}) {
    const size_t more = std::min(spare, need[i] - room[i]);
    room[i] += more;
    spare -= more;
  }
  return room;
}

std::vector<TopLine> TopScreen::lines(size_t columns, size_t rows) {
  std::vector<TopLine> lines;
  const bool all = rows == 0;
  lines.push_back(
      {padded(cut("sluice " + plain(now_.version) + "   " + plain(now_.conf) + "   generation " +
                      std::to_string(now_.generation) + "   up " + seconds_text(now_.uptime_s),
                  columns),
              columns),
       Look::head});
  lines.push_back({cut(totals_line(), columns), Look::bold});
  lines.push_back({cut(refused_line(), columns)});
  std::vector<TopLine> more = notices();
  if (!now_.loads.empty()) more.insert(more.begin(), load_line());
  for (TopLine& each : more) lines.push_back({cut(std::move(each.text), columns), each.look});
  const std::array<size_t, tables> room =
      all ? needed() : shared(rows - std::min(rows, lines.size() + 1));
  for (size_t i = 0; i < tables; ++i) {
    if (room[i] > 0) add_table(lines, i, room[i], columns);
  }
  if (all) return lines;
  lines.resize(rows - 1);
  lines.push_back({cut(keys_line(), columns), Look::bold});
  return lines;
}

}  // namespace sluice
