// Printed from the lines as they were read: what a directive means is not known here.
#include "core/conf/print.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "core/conf/directives.h"
#include "core/conf/expand.h"

namespace sluice {

namespace {

// "/etc/sluice/" of "" or "conf/", in the process's folder of /etc/sluice/ or /etc/.
std::string from_the_root(const std::string& folder, const std::string& working_folder) {
  const std::filesystem::path path = resolve_path(working_folder, folder) + ".";
  const std::string whole = path.lexically_normal().string();
  return whole.ends_with('/') ? whole : whole + '/';
}

// The text with relative ${file:PATH} put under `folder`.
std::string with_whole_references(const std::string& text, const std::string& folder) {
  std::string whole;
  for (const TextPiece& piece : split_references(text)) {
    if (piece.kind != TextPiece::Kind::reference) {
      whole += piece.text;
      continue;
    }
    std::string reference(piece.text);
    const size_t path = file_reference_prefix.size();
    if (reference.starts_with(file_reference_prefix) && reference.compare(path, 1, "/") != 0) {
      reference.insert(path, folder);
    }
    whole += "${" + reference + '}';
  }
  return whole;
}

// Whether the n-th argument of that row, from 1, names a file; "stdout" where the row has such a
// word of its own does not, and neither does "syslog:unix:/dev/log" where it has "syslog:ADDRESS".
bool names_file(const Directive& row, size_t n, const std::string& value) {
  std::string_view rest = row.arguments;
  for (size_t i = 1; i < n; ++i) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  rest = rest.substr(0, rest.find(' '));
  bool file = false;
  while (!rest.empty()) {
    const std::string_view form = rest.substr(0, rest.find('|'));
    const size_t prefix_bytes = form.find(':') + 1;  // 0: it has none
    if (form == value) return false;
    if (prefix_bytes > 0 && value.starts_with(form.substr(0, prefix_bytes))) return false;
    file = file || form == "FILE";
    rest.remove_prefix(std::min(form.size() + 1, rest.size()));
  }
  return file;
}

// Whether the lexer and the reader (which looks for nginx's punctuation) take the word as it is
// without quotes. Every byte outside a short list of plain ones gets quotes, so that no rule about
// single bytes is repeated here.
bool plain_word(const std::string& text) {
  static constexpr std::string_view odd_but_plain = "-_./:,=@%+*?$[]{}~^";
  const auto plain = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || odd_but_plain.find(byte) != std::string_view::npos;
  };
  return !text.empty() && text != "{" && text != "}" &&
         std::all_of(text.begin(), text.end(), plain);
}

std::string spelled(const std::string& text) {
  if (plain_word(text)) return text;
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    // Inside quotes \" and \\ are escapes, any other backslash is one.
    if (text[i] == '"' || text[i] == '\\') quoted += '\\';
    quoted += text[i];
  }
  return quoted + '"';
}

std::string printed(const Directive& row, const Statement& statement,
                    const std::string& working_folder) {
  const std::string folder = from_the_root(statement.folder, working_folder);
  std::string line(row.name);
  for (size_t n = 1; n < statement.words.size(); ++n) {
    const Word& word = statement.words[n];
    std::string text = with_whole_references(word.text, folder);
    if (names_file(row, n, word.value) && !word.value.starts_with('/')) text = folder + text;
    line += ' ' + spelled(text);
  }
  return line + '\n';
}

// Prints the top's lines, and the default of each directive that has no line. A default that is
// described in words stays a comment.
void append_top(std::string& page, const SectionDraft& top, const std::string& working_folder) {
  for (const Directive* each : directives()) {
    const Directive& row = *each;
    if ((row.sections & bit(Section::top)) == 0 || row.opens != Section::top) continue;
    bool said = false;
    for (const SectionDraft::Line& line : top.lines) {
      if (line.row != &row) continue;
      page += printed(row, line.statement, working_folder);
      said = true;
    }
    if (said || row.default_value.empty()) continue;
    if (!row.example.empty()) page += '#';
    page += std::string(row.name) + ' ' + std::string(row.default_value) + '\n';
  }
}

}  // namespace

std::string effective_conf(const ConfDraft& draft) {
  const std::string working_folder = draft.inputs.working_folder();
  std::string page =
      "# What " + draft.config.file + " comes to, with its includes and all defaults.\n";
  append_top(page, draft.sections.front(), working_folder);
  for (const SectionDraft& section : draft.sections) {
    if (section.kind() == Section::top) continue;
    page += '\n';
    for (const SectionDraft::Line& line : section.lines) {
      if (line.row->opens == Section::top) page += "  ";
      page += printed(*line.row, line.statement, working_folder);
    }
  }
  return page;
}

}  // namespace sluice
