// Documentation out of the directive table: the reference conf, so that it cannot say anything else
// than the program does.
#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/directives.h"

namespace sluice {

namespace {

constexpr size_t line_bytes = 100;

constexpr const char* reference_head =
    "# sluice, the reference: every directive, where it may stand, its default and its meaning.\n"
    "#\n"
    "# One directive a line. Blanks separate words, double quotes hold a word with blanks "
    "together\n"
    "# (inside them \\\" and \\\\ are escapes), \"#\" at a word's start begins a comment.\n"
    "# Times are 500ms, 10s, 5m, 1h; sizes 4096, 16k, 1m, 1g; switches on and off.\n"
    "# ${env:NAME} and ${file:PATH} in a word stand for a variable's value and a file's content\n"
    "# without its final line end; $${ is a plain ${. Relative paths begin at the folder of the\n"
    "# file that they stand in.\n"
    "#\n"
    "# listen, upstream and route begin sections. A directive that may also stand at the top, "
    "before\n"
    "# the first section, is there the default for all of them; a route's own setting wins over "
    "that\n"
    "# of its upstream, and that one over the top's.\n"
    "#\n"
    "# Lines that begin with \"#\" and a directive's name are defaults, or examples where there "
    "is\n"
    "# none.\n";

std::string sections_text(unsigned sections) {
  static constexpr struct {
    Section section;
    const char* name;
  } names[] = {{Section::top, "top"},
               {Section::listen, "listen"},
               {Section::upstream, "upstream"},
               {Section::route, "route"}};
  std::string text;
  for (const auto& [section, name] : names) {
    if ((sections & bit(section)) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

// Appends `text` as comment lines.
void append_comment(std::string& page, std::string_view indent, std::string_view text) {
  const size_t most = line_bytes - indent.size();
  while (!text.empty()) {
    size_t end = text.size();
    if (end > most) end = text.rfind(' ', most);
    page.append(indent).append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void append_reference(std::string& page, const Directive& row, const DirectiveHelp& help,
                      bool in_section) {
  const std::string indent = in_section && row.opens == Section::top ? "  " : "";
  page += "\n" + indent + "# " + std::string(row.name) + " " + std::string(row.arguments) + "\n";
  append_comment(page, indent + "#   ", row.help);
  std::string facts = "In: " + std::string(help.sections) + ".";
  if (!row.default_value.empty()) facts += " Default: " + std::string(row.default_value) + ".";
  if (row.repeatable) facts += " May be repeated.";
  append_comment(page, indent + "#   ", facts);
  const bool plain = row.opens != Section::top || row.required;
  page += indent + (plain ? "" : "#") + std::string(row.name) + " ";
  page += row.example.empty() ? row.default_value : row.example;
  page += "\n";
}

}  // namespace

std::span<const DirectiveHelp> directive_help() {
  static const std::vector<DirectiveHelp> rows = [] {
    static std::deque<std::string> texts;  // what the views point at
    std::vector<DirectiveHelp> made;
    for (const Directive* row : directives()) {
      made.push_back({row->name, texts.emplace_back(sections_text(row->sections)), row->arguments,
                      row->default_value, row->help, row->repeatable});
    }
    return made;
  }();
  return rows;
}

std::string reference_conf() {
  std::string page = reference_head;
  const auto rows = directives();
  bool in_section = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool opens = rows[i]->opens != Section::top;
    in_section = in_section || opens;
    if (opens) page += "\n# " + std::string(line_bytes - 2, '-') + "\n";
    append_reference(page, *rows[i], directive_help()[i], in_section);
  }
  return page;
}

}  // namespace sluice
