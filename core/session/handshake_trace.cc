// HandshakeTrace: each line is a JSON object of its own.
#include "core/session/handshake_trace.h"

#include <cstdio>
#include <new>
#include <utility>

#include "core/observe/line_text.h"
#include "net/sys.h"

namespace sluice {

namespace {

void append_line(std::string& to, const std::string& id, uint64_t since_us, const char* step,
                 std::string_view text) {
  char time[40];
  std::snprintf(time, sizeof time, "%llu.%03u", static_cast<unsigned long long>(since_us / 1000),
                static_cast<unsigned>(since_us % 1000));
  std::string shown;
  append_printable(shown, text);
  to += "{\"id\":";
  append_json_text(to, id);
  to.append(",\"ms\":").append(time).append(",\"step\":");
  append_json_text(to, step);
  to += ",\"text\":";
  append_json_text(to, shown, HandshakeTrace::most_text_bytes);
  to += "}\n";
}

}  // namespace

HandshakeTrace::HandshakeTrace(Tracer& tracer, std::string id, uint64_t accepted_ago_ms)
    : tracer_(tracer),
      id_(std::move(id)),
      accepted_ns_(sys::monotonic_ns() - accepted_ago_ms * 1'000'000) {}

HandshakeTrace::~HandshakeTrace() {
  tracer_.give_lines_back(lines_);
  if (unwanted_ || text_.empty()) return;
  try {
    if (left_out_ > 0) {
      append_line(text_, id_, since_us(), "left out",
                  std::to_string(left_out_) + " lines: lines=N has room for more");
    }
    tracer_.finish(facts, text_, lines_);
  } catch (const std::bad_alloc&) {
  }
}

uint64_t HandshakeTrace::since_us() const {
  return (sys::monotonic_ns() - accepted_ns_) / 1'000;
}

void HandshakeTrace::note(const char* step, std::string_view text) noexcept {
  note_at(since_us(), step, text);
}

void HandshakeTrace::note_about(const char* step, std::string_view name,
                                std::string_view text) noexcept {
  try {
    note(step, std::string(name).append(": ").append(text));
  } catch (const std::bad_alloc&) {
    lose();
  }
}

void HandshakeTrace::note_at(uint64_t since_us, const char* step, std::string_view text) noexcept {
  if (unwanted_) return;
  if (!tracer_.take_line()) {
    ++left_out_;
    return;
  }
  ++lines_;
  const size_t before = text_.size();
  try {
    append_line(text_, id_, since_us, step, text);
  } catch (const std::bad_alloc&) {
    text_.resize(before);
    ++left_out_;
  }
}

void HandshakeTrace::judge() noexcept {
  if (!tracer_.matches(facts)) dismiss();
}

void HandshakeTrace::dismiss() noexcept {
  unwanted_ = true;
  tracer_.give_lines_back(std::exchange(lines_, 0));
  text_ = std::string();
}

}  // namespace sluice
