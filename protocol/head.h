// Heads as values: what a request or an answer says, however it travels. http1.h reads and writes
// them as HTTP/1.1; builders (handshake.h, error_answer.h) make them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

struct HeaderField {
  std::string_view name;   // as it came, any case
  std::string_view value;  // without surrounding blanks
};

// The fields of a head. Names and values are views: into the parser that read the head, into what
// its builder was given, or into `made`. A head must not outlive what its views point into.
struct Head {
  Head() = default;
  Head(Head&&) = default;
  Head& operator=(Head&&) = default;

  int major_version = 1;
  int minor_version = 1;
  std::vector<HeaderField> fields;  // in order

  // The field's value, or nullptr; the first where there are several. Names compare without case.
  const std::string_view* find(std::string_view name) const;
  size_t count(std::string_view name) const;

  void add(std::string_view name, std::string_view value) { fields.push_back({name, value}); }
  // The same for a value that nobody else keeps.
  void add_made(std::string_view name, std::string value) {
    add(name, made.emplace_back(std::move(value)));
  }

  std::list<std::string> made;  // a list: its elements stay in place, and an empty one is free
};

struct RequestHead : Head {
  std::string_view method;
  std::string_view target;  // as it came
};

struct AnswerHead : Head {
  int status = 0;
  std::string_view reason;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);
bool is_token(std::string_view text);                    // RFC 9110 5.6.2
std::string_view without_blanks(std::string_view text);  // around it, RFC 9110 5.6.3
// Walks a comma-separated list (RFC 9110 5.6.1) over all fields of that name: true where one of the
// elements is `token`, without case.
bool has_list_token(const Head& head, std::string_view name, std::string_view token);
// All elements of the list fields of that name, in order, trimmed, empty ones dropped. Commas
// inside quoted strings do not split.
std::vector<std::string_view> list_elements(const Head& head, std::string_view name);
bool header_value_valid(std::string_view value);  // no CR, LF, NUL or other control byte but TAB

// Calls visit(element) for each element of one field's value, as list_elements has them.
template <class Visit>
void for_each_element(std::string_view list, Visit visit) {
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size()) {
      if (quoted && list[i] == '\\' && i + 1 < list.size()) {
        ++i;  // the escaped byte ends nothing
        continue;
      }
      if (list[i] == '"') quoted = !quoted;
      if (quoted || list[i] != ',') continue;
    }
    const std::string_view element =
        without_blanks(list.substr(begin, std::min(i, list.size()) - begin));
    if (!element.empty()) visit(element);
    begin = i + 1;
  }
}

}  // namespace sluice
