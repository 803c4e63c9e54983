// The directive table: one row for each directive that a conf may hold. Reader and documentation
// walk it; neither knows a directive by name.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "core/conf/draft.h"

namespace sluice {

// A setter works on this: the line, and the section that it stands in.
struct SetterCall {
  ConfDraft& draft;
  SectionDraft& section;
  const Statement& statement;

  // The n-th argument, from 1.
  const Word& word(size_t n) const { return statement.words[n]; }
  size_t arguments() const { return statement.words.size() - 1; }
  // Warns of a line that is legal but hardly meant. `what` follows the directive's name.
  void warn(const std::string& what) const {
    draft.warn(statement.place, statement.words[0].value + ": " + what);
  }
};

// Puts the line's meaning into the draft, or throws a ConfProblem.
using Setter = void (*)(const SetterCall& call);

// Takes the value over from a level that gives it.
using Inherit = void (*)(const Settings& from, Settings& to);
template <auto Field>
void inherit(const Settings& from, Settings& to) {
  to.*Field = from.*Field;
}

// Of a setting that stands for what is laid out, opened or given up once, before the first worker
// starts: makes it again what it is in the running Config. False where it is the same anyway.
using Keep = bool (*)(const Config& running, Config& loaded);
template <auto Field>
bool keep(const Config& running, Config& loaded) {
  if (loaded.*Field == running.*Field) return false;
  loaded.*Field = running.*Field;
  return true;
}

struct Directive {
  static constexpr size_t any_number = std::numeric_limits<size_t>::max();

  std::string_view name;
  unsigned sections = 0;  // bits of Section
  std::string_view arguments;
  size_t least_arguments = 1;
  size_t most_arguments = 1;
  Setter set = nullptr;
  Inherit inherit = nullptr;  // of a plain value that sections take from those around them
  std::string_view default_value = {};  // as a conf would say it where `example` is empty
  std::string_view example = {};  // arguments for the reference, where the default cannot be given
  std::string_view help = {};
  bool repeatable = false;
  bool required = false;         // in each section that takes it; for an opener: at least once
  Section opens = Section::top;  // the section that it begins, or top for none
  Keep keep = nullptr;           // null: a reload changes it
};

// In the order of the reference.
std::span<const Directive* const> directives();
// Null where there is none of that name.
const Directive* find_directive(std::string_view name);
// `, did you mean "upstream"?` and that directive, or "" and null.
std::string suggest_directive(std::string_view name, const Directive*& meant);

// The settings of a section of that kind: each value comes from the first of these sections that
// gives it (null: there is no such section), else it is the default.
Settings settings_for(Section kind, std::initializer_list<const SectionDraft*> levels);

}  // namespace sluice
