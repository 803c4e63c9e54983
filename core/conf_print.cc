// Printed from the lines as they were read: what a directive means is not known here.
#include "core/conf_print.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "core/conf_directives.h"
#include "core/conf_expand.h"

namespace sluice {

namespace {

constexpr std::string_view file_reference = "${file:";

// "/etc/sluice/" of "" or "conf/", in whatever folder the process is.
std::string from_the_root(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(folder + ".", error);
  const std::string whole = error ? folder : path.lexically_normal().string();
  return whole.ends_with('/') ? whole : whole + '/';
}

// The text with relative ${file:PATH} put under `folder`.
std::string with_whole_references(const std::string& text, const std::string& folder) {
  std::string whole;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 3, "$${") == 0) {  // a literal one
      whole += "$${";
      at += 3;
    } else if (text.compare(at, file_reference.size(), file_reference) == 0) {
      whole += file_reference;
      at += file_reference.size();
      if (text.compare(at, 1, "/") != 0) whole += folder;
    } else {
      whole += text[at++];
    }
  }
  return whole;
}

// Whether the n-th argument of that row, from 1, names a file; "stdout" where the row has such a
// word of its own does not.
bool names_file(const Directive& row, size_t n, const std::string& value) {
  std::string_view rest = row.arguments;
  for (size_t i = 1; i < n; ++i) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  rest = rest.substr(0, rest.find(' '));
  bool file = false;
  while (!rest.empty()) {
    const std::string_view form = rest.substr(0, rest.find('|'));
    if (form == value) return false;
    file = file || form == "FILE";
    rest.remove_prefix(std::min(form.size() + 1, rest.size()));
  }
  return file;
}

std::string spelled(const std::string& text) {
  if (!text.empty() && text[0] != '#' && text.find_first_of(" \t\"") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    // Inside quotes \" and \\ are escapes, any other backslash is one.
    if (text[i] == '"' || text[i] == '\\') quoted += '\\';
    quoted += text[i];
  }
  return quoted + '"';
}

std::string printed(const Directive& row, const Statement& statement) {
  const std::string folder = from_the_root(statement.folder);
  std::string line(row.name);
  for (size_t n = 1; n < statement.words.size(); ++n) {
    const Word& word = statement.words[n];
    std::string text = with_whole_references(word.text, folder);
    if (names_file(row, n, word.value) && !word.value.starts_with('/')) text = folder + text;
    line += ' ' + spelled(text);
  }
  return line + '\n';
}

// At the top what is not said has its default; one that only words can tell stays a comment.
void append_top(std::string& page, const SectionDraft& top) {
  for (const Directive& row : directives()) {
    if ((row.sections & bit(Section::top)) == 0 || row.opens != Section::top) continue;
    bool said = false;
    for (const SectionDraft::Line& line : top.lines) {
      if (line.row != &row) continue;
      page += printed(row, line.statement);
      said = true;
    }
    if (said || row.default_value.empty()) continue;
    if (!row.example.empty()) page += '#';
    page += std::string(row.name) + ' ' + std::string(row.default_value) + '\n';
  }
}

}  // namespace

std::string effective_conf(const ConfDraft& draft) {
  std::string page =
      "# What " + draft.config.file + " comes to, with its includes and all defaults.\n";
  append_top(page, draft.sections.front());
  for (const SectionDraft& section : draft.sections) {
    if (section.kind == Section::top) continue;
    page += '\n';
    for (const SectionDraft::Line& line : section.lines) {
      if (line.row->opens == Section::top) page += "  ";
      page += printed(*line.row, line.statement);
    }
  }
  return page;
}

}  // namespace sluice
