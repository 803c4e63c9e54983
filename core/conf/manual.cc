// The manual page sluice.conf(5) out of the directive table, in mdoc(7): it says what the reference
// conf says, for `man`.
#include <algorithm>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/directives.h"

namespace sluice {

namespace {

constexpr const char* head =
    R"(.\" Made from the directive table by unit_tests with SLUICE_UPDATE=1; edit the table instead.
.Dd November 28, 2026
.Dt SLUICE.CONF 5
.Os
.Sh NAME
.Nm sluice.conf
.Nd configuration of the WebSocket proxy sluice
.Sh DESCRIPTION
One directive a line, without braces or semicolons.
Blanks separate words.
Double quotes hold a word with blanks together; inside them \e" and \e\e are escapes.
A # at a word's start begins a comment.
.Pp
Times are 500ms, 10s, 5m or 1h, sizes 4096, 16k, 1m or 1g, switches
.Ic on
and
.Ic off .
${env:NAME} and ${file:PATH} in a word stand for a variable's value and a file's content without its
final line end; $${ is a plain ${.
Relative paths begin at the folder of the file that they stand in.
.Pp
.Ic listen , upstream
and
.Ic route
begin sections.
A directive that may also stand at the top, before the first section, is there the default for all
of them; a route's own setting wins over that of its upstream, and that one over the top's.
Routes are tried in file order and the first match wins.
.Pp
.Nm sluice Fl t
checks a conf and tells all its errors at once.
)";

constexpr const char* tail =
    R"(.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/sluice/sluice.conf
is read unless
.Nm sluice Fl c
says otherwise.
.It Pa /usr/local/share/doc/sluice
holds the same as a conf, reference.conf, confs for common cases, and pages for who comes from
another proxy.
.El
.Sh EXAMPLES
.Bd -literal
listen       0.0.0.0:8080

upstream chat
  server     ws://10.0.0.1:4000
  server     ws://10.0.0.2:4000

route /chat
  proxy_pass         chat
  idle_timeout       5m
  max_message_size   1m
.Ed
.Sh SEE ALSO
.Xr sluice-bench 1 ,
.Xr sluice 8
)";

// What stands for `text` inside a line: backslashes are mdoc's escapes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '\\' ? "\\e" : std::string(1, c);
  }
  return out;
}

// `text` as one argument of a macro. A minus there is one, no hyphen.
std::string argument(std::string_view text) {
  std::string out = "\"";
  for (const char c : escaped(text)) {
    if (c == '"') {
      out += "\\(dq";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// A line a sentence, as mdoc wants it; a line's first dot or quote would make it a macro.
void append_text(std::string& page, std::string_view text) {
  while (!text.empty()) {
    const size_t stop = text.find(". ");
    const std::string_view sentence = text.substr(0, stop == text.npos ? stop : stop + 1);
    if (sentence.front() == '.' || sentence.front() == '\'') page += "\\&";
    page += escaped(sentence) + "\n";
    text.remove_prefix(std::min(sentence.size() + 1, text.size()));
  }
}

void append_directive(std::string& page, const Directive& row, std::string_view sections) {
  page += ".It Ic " + std::string(row.name);
  if (!row.arguments.empty()) page += " Ar " + argument(row.arguments);
  page += "\n";
  append_text(page, row.help);
  std::string facts = "In: " + std::string(sections) + ".";
  if (row.repeatable) facts += " May be repeated.";
  append_text(page, facts);
  if (!row.default_value.empty()) page += "Default:\n.Li " + argument(row.default_value) + " .\n";
}

}  // namespace

std::string manual_page() {
  std::string page = head;
  const auto rows = directives();
  for (size_t i = 0; i < rows.size(); ++i) {
    const Directive& row = *rows[i];
    const bool opens = row.opens != Section::top;
    if (i == 0) page += ".Sh TOP\nFor the whole process, before the first section.\n";
    if (opens) page += ".El\n.Sh SECTION " + std::string(row.name) + "\n";
    if (i == 0 || opens) page += ".Bl -tag -width Ds\n";
    append_directive(page, row, directive_help()[i].sections);
  }
  return page + ".El\n" + tail;
}

}  // namespace sluice
