// ConfReader: files to draft. It knows lines, sections and includes; what a directive means is its
// table row's.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/directives.h"
#include "core/conf/draft.h"
#include "tls/secret.h"

namespace sluice {

class ConfReader {
 public:
  // Both belong to the caller and outlive the reader.
  ConfReader(ConfDraft& draft, ConfErrors& errors) : draft_(draft), errors_(errors) {}

  // Opens the conf itself, of which step() reads the lines. Once.
  void open(const std::string& path);
  // Reads the next line, or a part of what it names, or opens the next of the files that it
  // includes. False when nothing is left.
  bool step();
  // Opens the conf and reads all of it.
  void read(const std::string& path);

 private:
  static constexpr size_t most_file_bytes = 16 << 20;

  // How much of a line can be trusted. A wrong line is still entered where it stands, so that one
  // mistake does not bring forth a second message.
  enum class Trust : uint8_t { good, guessed_name, unreadable_words };

  // An include line on its way: which files are left to read.
  struct Include {
    Place place;
    std::string folder;
    Word word;
    std::vector<std::string> paths;
    size_t next = 0;
  };

  struct OpenFile {
    Secret content{most_file_bytes};
    std::string_view left;       // of `content`
    std::string canonical_path;  // a loop through "./" or a link is one, too
    std::string shown;           // its name in messages
    std::string folder;
    int line = 0;                   // the latest
    SectionDraft* outer = nullptr;  // goes on behind it: sections that it opens end with it
    std::optional<Include> include;
  };

  // A line of which the draft's bundle is not parsed yet.
  struct Unfinished {
    const Directive* row;
    Statement statement;
    Trust trust;
  };

  void begin(OpenFile& file, std::string canonical_path, std::string shown, std::string folder);
  void end_file();
  void read_next_line(OpenFile& file);
  void read_line(std::string_view line, const Place& place, const std::string& folder);
  void apply(const Directive& row, const Statement& statement, Trust trust);
  bool enter(const Directive& row, const Statement& statement);
  void set(const Directive& row, const Statement& statement, Trust trust);
  void go_on_with_bundle();
  void conclude(const Directive& row, const Statement& statement, Trust trust, std::string wrong);
  void begin_include(const Statement& statement);
  void open_next(std::optional<Include>& include);
  void refuse(const Include& include, const std::string& what);
  std::vector<std::string> included_paths(const Include& include);

  ConfDraft& draft_;
  ConfErrors& errors_;
  SectionDraft* section_ = nullptr;
  std::optional<Unfinished> unfinished_;
  std::deque<OpenFile> open_files_;  // by nesting; none moves
  uint32_t files_ = 0;
  uint32_t lines_ = 0;
};

}  // namespace sluice
