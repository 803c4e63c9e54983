// ConfReader: files to draft. It knows lines, sections and includes; what a directive means is its
// table row's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/directives.h"
#include "core/conf/draft.h"

namespace sluice {

class ConfReader {
 public:
  // Both belong to the caller and outlive the reader.
  ConfReader(ConfDraft& draft, ConfErrors& errors) : draft_(draft), errors_(errors) {}

  // Reads the file and all that it includes.
  void read(const std::string& path);

 private:
  // How much of a line can be trusted. A wrong line is still entered where it stands, so that one
  // mistake does not bring forth a second message.
  enum class Trust : uint8_t { good, guessed_name, unreadable_words };

  void read_file(std::string_view content, const std::string& canonical_path,
                 const std::string& shown, const std::string& folder);
  void read_lines(std::string_view content, const std::string& shown, const std::string& folder);
  void read_line(std::string_view line, const Place& place, const std::string& folder);
  void apply(const Directive& row, const Statement& statement, Trust trust);
  bool enter(const Directive& row, const Statement& statement);
  void set(const Directive& row, const Statement& statement, Trust trust);
  void read_includes(const Statement& statement);
  std::vector<std::string> included_paths(const Statement& statement, const Word& word);

  ConfDraft& draft_;
  ConfErrors& errors_;
  SectionDraft* section_ = nullptr;
  // Canonical paths by nesting: a loop through "./" or a link is one, too.
  std::vector<std::string> open_files_;
  uint32_t files_ = 0;
  uint32_t lines_ = 0;
};

}  // namespace sluice
