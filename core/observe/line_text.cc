// Values are written in units, a byte or a character with its escape, so that none is cut in two.
#include "core/observe/line_text.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace sluice {

namespace {

constexpr char digits[] = "0123456789abcdef";

// How a byte or a character is written, and how many bytes of the value it is.
struct Unit {
  char text[12];
  uint8_t bytes = 0;
  uint8_t taken = 1;

  void add(char byte) { text[bytes++] = byte; }
};

bool is_printable(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

bool plain_in_field(char byte) {
  return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '=';
}

Unit printable_unit(std::string_view rest) {
  Unit unit;
  const auto byte = static_cast<unsigned char>(rest.front());
  if (is_printable(byte)) {
    unit.add(rest.front());
    return unit;
  }
  for (const char each : {'\\', 'x', digits[byte >> 4], digits[byte & 15]}) unit.add(each);
  return unit;
}

Unit quoted_unit(std::string_view rest) {
  if (rest.front() != '"' && rest.front() != '\\') return printable_unit(rest);
  Unit unit;
  unit.add('\\');
  unit.add(rest.front());
  return unit;
}

constexpr uint32_t no_character = UINT32_MAX;

// The character that the text begins with (RFC 3629 3), and its bytes; no_character, and one byte,
// where there is none.
uint32_t first_character(std::string_view text, uint8_t& bytes) {
  bytes = 1;
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return first;
  const uint8_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return no_character;
  uint32_t character = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return no_character;
    character = character << 6 | (next & 0x3f);
  }
  static constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = character >= 0xd800 && character < 0xe000;
  if (character < least[length] || character > 0x10ffff || surrogate) return no_character;
  bytes = length;
  return character;
}

void add_json_escape(Unit& unit, uint32_t number) {
  unit.add('\\');
  unit.add('u');
  for (int shift = 12; shift >= 0; shift -= 4) unit.add(digits[number >> shift & 15]);
}

// Characters beyond 16 bits are two escapes, of their surrogates (RFC 8259 7).
Unit json_unit(std::string_view rest) {
  const auto first = static_cast<unsigned char>(rest.front());
  if (is_printable(first)) return quoted_unit(rest);
  Unit unit;
  uint32_t character = first_character(rest, unit.taken);
  if (character == no_character) character = 0xfffd;
  if (character < 0x10000) {
    add_json_escape(unit, character);
    return unit;
  }
  add_json_escape(unit, 0xd800 + ((character - 0x10000) >> 10));
  add_json_escape(unit, 0xdc00 + ((character - 0x10000) & 0x3ff));
  return unit;
}

void append_units(std::string& line, std::string_view value, size_t most_bytes,
                  Unit (*first_unit)(std::string_view)) {
  size_t written = 0;
  while (!value.empty()) {
    const Unit unit = first_unit(value);
    if (unit.bytes > most_bytes - written) {
      line += cut_mark;
      return;
    }
    line.append(unit.text, unit.bytes);
    written += unit.bytes;
    value.remove_prefix(unit.taken);
  }
}

}  // namespace

std::string timestamp_text(uint64_t wall_clock_ms) {
  const auto seconds = static_cast<std::time_t>(wall_clock_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  const auto fraction = static_cast<unsigned>(wall_clock_ms % 1000);
  std::snprintf(text + length, sizeof text - length, ".%03uZ", fraction);
  return text;
}

void append_printable(std::string& line, std::string_view text) {
  append_units(line, text, std::string_view::npos, printable_unit);
}

void append_field(std::string& line, std::string_view name, std::string_view value,
                  size_t most_bytes) {
  line += ' ';
  line += name;
  line += '=';
  if (!value.empty() && std::all_of(value.begin(), value.end(), plain_in_field)) {
    line += value.substr(0, most_bytes);
    if (value.size() > most_bytes) line += cut_mark;
    return;
  }
  line += '"';
  append_units(line, value, most_bytes, quoted_unit);
  line += '"';
}

void append_field(std::string& line, std::string_view name, uint64_t value) {
  append_field(line, name, std::to_string(value));
}

void append_json_text(std::string& line, std::string_view value, size_t most_bytes) {
  line += '"';
  append_units(line, value, most_bytes, json_unit);
  line += '"';
}

}  // namespace sluice
