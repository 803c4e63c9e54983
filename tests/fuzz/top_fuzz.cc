// What `sluice top` is told, by whoever listens where the conf says, and what its keyboard sends:
// whatever comes, the screen fits and holds nothing but printable ASCII.
//   byte 0  columns; byte 1  rows; byte 2  how many bytes of keys follow; then the keys, then
//   lines: the first an answer of the admin address's body (or, where it begins with HTTP, all of
//   it), the others of the control socket
#include <algorithm>
#include <string>

#include "core/process/admin_client.h"
#include "core/process/top_screen.h"
#include "core/process/trace_text.h"
#include "net/check.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return line;
}

void judge(const std::vector<TopLine>& lines, size_t columns, size_t rows) {
  SLUICE_CHECK(rows == 0 || lines.size() <= rows);
  for (const TopLine& line : lines) {
    SLUICE_CHECK(line.text.size() <= columns);
    SLUICE_CHECK(std::all_of(line.text.begin(), line.text.end(),
                             [](char c) { return c >= ' ' && c <= '~'; }));
  }
}

void judge_trace(std::string_view line) {
  const std::optional<std::string> rows = TraceText().rows_of(line);
  if (!rows) return;
  SLUICE_CHECK(rows->ends_with('\n'));
  SLUICE_CHECK(std::all_of(rows->begin(), rows->end(),
                           [](char c) { return (c >= ' ' && c <= '~') || c == '\n'; }));
}

void run(Input input) {
  const size_t columns = 1 + input.byte();
  const size_t rows = input.byte();
  const size_t key_bytes = input.byte();
  const std::string_view keys = text_of(input.bytes(key_bytes));
  std::string_view text = text_of(input.rest());
  if (text.starts_with("HTTP")) {
    const AdminReply answer = read_admin_reply(text);
    SLUICE_CHECK(answer.ok || !answer.text.empty());
    if (answer.ok) (void)read_top_status(answer.text);
    return;
  }
  TopScreen screen;
  judge(screen.lines(columns, rows), columns, rows);
  std::optional<TopStatus> status = read_top_status(next_line(text));
  if (!status) return;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    judge_trace(line);
    if (auto session = read_top_session(line)) status->session_list.push_back(std::move(*session));
  }
  screen.take(*status);
  judge(screen.lines(columns, rows), columns, rows);
  (void)screen.take_keys(keys);
  status->now_ms = status->now_ms < UINT64_MAX - 1000 ? status->now_ms + 1000 : status->now_ms;
  status->bytes += 1'000'000;
  screen.take(std::move(*status));
  judge(screen.lines(columns, rows), columns, rows);
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
