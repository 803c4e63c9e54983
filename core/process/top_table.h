// TopTable: rows that are sorted by one of their columns, filtered, and fitted to a width. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct TopColumn {
  std::string name;
  bool number = false;    // stands at the right, and is sorted with the largest first
  bool flexible = false;  // may be cut where the screen is narrow
};

struct TopCell {
  std::string text;   // printable ASCII
  double number = 0;  // what a column of numbers is sorted by
};

struct TopRow {
  std::vector<TopCell> cells;  // as many as there are columns
  bool bad = false;            // is to be seen first
};

class TopTable {
 public:
  explicit TopTable(std::vector<TopColumn> columns) : columns_(std::move(columns)) {}

  const std::vector<TopColumn>& columns() const { return columns_; }
  size_t size() const { return rows_.size(); }
  void add(TopRow row) { rows_.push_back(std::move(row)); }
  const TopRow& row(size_t place) const { return rows_[place]; }

  // Keeps the rows of which a cell holds the text, in any case.
  void filter(std::string_view text);
  // By that column; equal ones stay in their order.
  void sort(size_t column, bool reverse);
  // Widths of the columns for `count` rows from `first` on, so that a line has at most `columns`
  // bytes: flexible columns become narrower, then the last ones go (width 0).
  std::vector<size_t> widths(size_t first, size_t count, size_t columns) const;
  // Lines of these widths. In the head the column that is sorted by is marked.
  std::string head_line(const std::vector<size_t>& widths, size_t sorted, bool reverse) const;
  std::string line(size_t place, const std::vector<size_t>& widths) const;

 private:
  std::vector<TopColumn> columns_;
  std::vector<TopRow> rows_;
};

// "999", "1.2k", "12k", "3.4M"; rates have a digit behind the point below 10.
std::string short_count(double number);
std::string short_rate(double number);
// The text in printable ASCII, whatever it holds.
std::string plain(std::string_view text);

}  // namespace sluice
