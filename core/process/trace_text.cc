// Trace text: whatever the texts hold, a terminal is only shown printable ASCII.
#include "core/process/trace_text.h"

#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/observe/json.h"
#include "core/observe/line_text.h"

namespace sluice {

namespace {

constexpr size_t step_width = 10;

std::optional<std::string> text_in(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  std::string shown;
  append_printable(shown, found->get<std::string>());
  return shown;
}

std::string time_in(const Json& json) {
  const auto found = json.find("ms");
  if (found == json.end() || !found->is_number()) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", found->get<double>());
  return text;
}

void append_padded(std::string& row, const std::string& text, size_t width, bool right) {
  const std::string blanks(text.size() < width ? width - text.size() : 0, ' ');
  row += right ? blanks + text : text + blanks;
}

}  // namespace

std::optional<std::string> TraceText::rows_of(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto id = text_in(json, "id");
  const auto step = text_in(json, "step");
  const auto text = text_in(json, "text");
  if (!id || !step || !text) return std::nullopt;
  std::string rows;
  if (*id != id_) {
    rows = *id + ", times in ms\n";
    time_.clear();
    step_.clear();
  }
  const std::string time = time_in(json);
  const bool same = time == time_ && *step == step_;
  append_padded(rows, same ? "" : time, 12, true);
  rows += "  ";
  append_padded(rows, same ? "" : *step, step_width, false);
  rows += *text + "\n";
  id_ = *id;
  time_ = time;
  step_ = *step;
  return rows;
}

std::string handshakes_told(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  uint64_t told = 0;
  if (json.is_object()) {
    const auto found = json.find("handshakes");
    if (found != json.end() && found->is_number_unsigned()) told = found->get<uint64_t>();
  }
  return std::to_string(told) + (told == 1 ? " handshake" : " handshakes");
}

}  // namespace sluice
