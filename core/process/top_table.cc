// TopTable: all text in it is printable ASCII, so that bytes are columns.
#include "core/process/top_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "core/observe/line_text.h"

namespace sluice {

namespace {

constexpr size_t gap = 2;          // between columns
constexpr size_t least_width = 8;  // of a flexible column

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

size_t sum_of(const std::vector<size_t>& widths) {
  size_t sum = 0;
  for (const size_t each : widths) sum += each > 0 ? each + gap : 0;
  return sum > 0 ? sum - gap : 0;
}

void append_cell(std::string& line, std::string text, size_t width, bool right) {
  if (width == 0) return;
  if (!line.empty()) line.append(gap, ' ');
  if (text.size() > width) {
    text.resize(width);
    if (width > 2) text.replace(width - 2, 2, "..");
  }
  const std::string blanks(width - text.size(), ' ');
  line += right ? blanks + text : text + blanks;
}

std::string scaled(double number, bool tenths) {
  static constexpr std::array<const char*, 6> units = {"", "k", "M", "G", "T", "P"};
  if (!std::isfinite(number) || number < 0) return "-";
  size_t unit = 0;
  while (number >= 999.5 && unit + 1 < units.size()) {
    number /= 1000;
    ++unit;
  }
  char text[64];
  const bool fraction = number < 9.95 && (unit > 0 || tenths) && number > 0;
  std::snprintf(text, sizeof text, fraction ? "%.1f%s" : "%.0f%s", number, units[unit]);
  return text;
}

}  // namespace

void TopTable::filter(std::string_view text) {
  if (text.empty()) return;
  const std::string wanted = lower_case(text);
  std::erase_if(rows_, [&wanted](const TopRow& row) {
    return std::none_of(row.cells.begin(), row.cells.end(), [&wanted](const TopCell& cell) {
      return lower_case(cell.text).find(wanted) != std::string::npos;
    });
  });
}

void TopTable::sort(size_t column, bool reverse) {
  if (column >= columns_.size()) return;
  const bool number = columns_[column].number;
  std::stable_sort(rows_.begin(), rows_.end(), [=](const TopRow& one, const TopRow& other) {
    const TopCell& a = reverse ? other.cells[column] : one.cells[column];
    const TopCell& b = reverse ? one.cells[column] : other.cells[column];
    return number ? a.number > b.number : a.text < b.text;
  });
}

std::vector<size_t> TopTable::widths(size_t first, size_t count, size_t columns) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = columns_[i].name.size() + 1;  // with its mark
    for (size_t row = first; row < rows_.size() && row - first < count; ++row) {
      width = std::max(width, rows_[row].cells[i].text.size());
    }
    widths.push_back(width);
  }
  while (sum_of(widths) > columns) {
    size_t widest = widths.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      if (!columns_[i].flexible || widths[i] <= least_width) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest < widths.size()) {
      const size_t over = sum_of(widths) - columns;
      widths[widest] -= std::min(over, std::max<size_t>(1, (widths[widest] - least_width) / 4));
      continue;
    }
    // The first one stays, as narrow as the screen.
    size_t last = widths.size();
    while (last > 1 && widths[last - 1] == 0) --last;
    if (last > 1) {
      widths[last - 1] = 0;
    } else {
      widths[0] = std::min(widths[0], columns);
      break;
    }
  }
  return widths;
}

std::string TopTable::head_line(const std::vector<size_t>& widths, size_t sorted,
                                bool reverse) const {
  std::string head;
  for (size_t i = 0; i < columns_.size(); ++i) {
    std::string name = columns_[i].name;
    if (i == sorted) name += reverse ? "^" : "*";
    append_cell(head, std::move(name), widths[i], columns_[i].number);
  }
  return head;
}

std::string TopTable::line(size_t place, const std::vector<size_t>& widths) const {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    append_cell(line, rows_[place].cells[i].text, widths[i], columns_[i].number);
  }
  return line;
}

std::string short_count(double number) {
  return scaled(number, false);
}

std::string short_rate(double number) {
  return scaled(number, true);
}

std::string plain(std::string_view text) {
  std::string shown;
  append_printable(shown, text);
  return shown;
}

}  // namespace sluice
