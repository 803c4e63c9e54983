// Reading goes on after every error, so that one run tells all of them.
#include "core/conf/reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/conf/expand.h"
#include "core/conf/foreign.h"
#include "core/conf/lexer.h"

namespace sluice {

namespace {

constexpr size_t most_depth = 10;
constexpr uint32_t most_files = 1000;  // globs that include each other would grow without it
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string place_name(Section section) {
  switch (section) {
    case Section::top:
      return "before the first section";
    case Section::listen:
      return "in a listen section";
    case Section::upstream:
      return "in an upstream section";
    case Section::route:
      return "in a route section";
  }
  return "";
}

// Why the directive may not stand in that section.
std::string misplaced(const Directive& row, Section section) {
  if (row.sections == bit(Section::top)) return " must stand before the first section";
  std::vector<std::string> allowed;
  for (const Section each : {Section::top, Section::listen, Section::upstream, Section::route}) {
    if ((row.sections & bit(each)) != 0) allowed.push_back(place_name(each));
  }
  std::string text = " may stand ";
  for (size_t i = 0; i < allowed.size(); ++i) {
    if (i > 0) text += i + 1 == allowed.size() ? " or " : ", ";
    text += allowed[i];
  }
  return text + ", not " + place_name(section);
}

std::string wrong_count(const Directive& row, size_t given) {
  std::string wanted = std::to_string(row.least_arguments);
  if (row.most_arguments == Directive::any_number) {
    wanted = "at least " + wanted;
  } else if (row.most_arguments != row.least_arguments) {
    const bool two = row.most_arguments == row.least_arguments + 1;
    wanted += (two ? " or " : " to ") + std::to_string(row.most_arguments);
  }
  const bool unbounded = row.most_arguments == Directive::any_number;
  const bool one = (unbounded ? row.least_arguments : row.most_arguments) == 1;
  return std::string(row.name) + " takes " + wanted + (one ? " argument (" : " arguments (") +
         std::string(row.arguments) + "), not " + std::to_string(given);
}

// A folder's own name may hold bytes that mean something to glob.
std::string escaped_for_glob(const std::string& folder) {
  std::string escaped;
  for (const char byte : folder) {
    if (std::strchr("*?[]\\", byte) != nullptr) escaped += '\\';
    escaped += byte;
  }
  return escaped;
}

// An included file's name in messages: by what the line at `place`, of a file in the folder `from`,
// says, so that an expanded part of it is not printed.
std::string shown_name(const Place& place, const std::string& from, const Word& word,
                       const std::string& path) {
  if (!word.expanded()) return path;
  const std::string folder = folder_of(place.file);
  if (path == resolve_path(from, word.value)) return resolve_path(folder, word.text);
  return resolve_path(folder, folder_of(word.text) + path.substr(folder_of(path).size()));
}

// Takes nginx's punctuation (braces, semicolons) off the line's end. Returns the complaint about
// it, or "" where there is none.
std::string take_punctuation(SplitLine& split) {
  if (split.words.empty() || split.last_quoted) return "";
  std::string& last = split.words.back();
  const size_t end = last.find_last_not_of(';') + 1;
  const std::string kept = last.substr(0, end);
  const bool brace = kept == "{" || kept == "}";
  if (!brace && end == last.size()) return "";
  if (brace || kept.empty()) {
    split.words.pop_back();
  } else {
    last = kept;
  }
  return "a conf has no braces, and no semicolons at the end of lines";
}

// `what; more`, where both are there.
std::string joined(const std::string& what, const std::string& more) {
  if (what.empty() || more.empty()) return what + more;
  return what + (what.ends_with('?') ? " " : "; ") + more;
}

}  // namespace

void ConfReader::open(const std::string& path) {
  section_ = &draft_.sections.front();
  section_->place.file = path;
  OpenFile& file = open_files_.emplace_back();
  FileFacts facts;
  if (const int error = draft_.inputs.read(path, file.content, facts); error != 0) {
    open_files_.pop_back();
    draft_.incomplete = draft_.unreadable = true;
    errors_.add({path, 0, 0}, std::string("cannot be read: ") + std::strerror(error));
    return;
  }
  begin(file, std::move(facts.canonical_path), path, folder_of(path));
}

bool ConfReader::step() {
  if (open_files_.empty()) return false;
  OpenFile& file = open_files_.back();
  if (unfinished_) {
    go_on_with_bundle();
  } else if (file.include) {
    open_next(file.include);
  } else if (file.left.empty()) {
    end_file();
  } else {
    read_next_line(file);
  }
  return true;
}

void ConfReader::read(const std::string& path) {
  open(path);
  while (step()) {
  }
}

void ConfReader::begin(OpenFile& file, std::string canonical_path, std::string shown,
                       std::string folder) {
  ++files_;
  file.left = file.content.view();
  if (file.left.starts_with(byte_order_mark)) file.left.remove_prefix(byte_order_mark.size());
  file.canonical_path = std::move(canonical_path);
  file.shown = std::move(shown);
  file.folder = std::move(folder);
  file.outer = section_;
}

void ConfReader::end_file() {
  section_ = open_files_.back().outer;
  open_files_.pop_back();
}

void ConfReader::read_next_line(OpenFile& file) {
  const size_t end = std::min(file.left.find('\n'), file.left.size());
  const std::string_view line = file.left.substr(0, end);
  file.left.remove_prefix(std::min(end + 1, file.left.size()));
  const Place place{file.shown, ++file.line, ++lines_};
  std::string wrong;
  if (line.find('\0') != std::string_view::npos) wrong = "a NUL byte: this is no text file";
  // Complaints about its lines would print a key.
  if (line.starts_with("-----BEGIN ")) {
    wrong = "PEM, not directives: certificates and keys are named by tls_ directives";
  }
  if (wrong.empty()) return read_line(line, place, file.folder);
  errors_.add(place, std::move(wrong));
  draft_.incomplete = true;
  end_file();
}

void ConfReader::read_line(std::string_view line, const Place& place, const std::string& folder) {
  SplitLine split = split_line(line);
  Trust trust = Trust::good;
  if (!split.problem.empty()) {
    errors_.add(place, split.problem);
    trust = Trust::unreadable_words;
    // It may have been any directive: none is missed now.
    if (split.words.empty()) draft_.incomplete = true;
  }
  const bool block = !split.words.empty() && split.words.back() == "{" && !split.last_quoted;
  Statement statement{place, folder, {}, take_punctuation(split)};
  if (split.words.empty()) {
    if (!statement.punctuation.empty()) errors_.add(place, statement.punctuation);
    return;
  }
  for (std::string& text : split.words) {
    std::string value = text;
    std::vector<Span> verbatim;
    try {
      value = expand(draft_.inputs, text, folder, &verbatim);
    } catch (const ConfProblem& problem) {
      if (trust == Trust::good) errors_.add(place, problem.what);
      trust = Trust::unreadable_words;
    }
    statement.words.push_back({std::move(text), std::move(value), std::move(verbatim)});
  }
  const Word& name = statement.words.front();
  const ForeignWord* foreign = name.expanded() ? nullptr : find_foreign(statement, block);
  const Directive* row =
      foreign != nullptr ? find_directive(foreign->ours) : find_directive(name.value);
  if (foreign != nullptr || row == nullptr) {
    std::string wrong = "unknown directive " + quoted(name.text);
    if (foreign != nullptr) {
      wrong += foreign_text(*foreign);
    } else if (!name.expanded()) {
      wrong += suggest_directive(name.value, row);
    }
    errors_.add(place, joined(wrong, statement.punctuation));
    if (row == nullptr) return;
    if (trust == Trust::good) trust = Trust::guessed_name;
  }
  apply(*row, statement, trust);
}

void ConfReader::apply(const Directive& row, const Statement& statement, Trust trust) {
  if (row.opens != Section::top) {
    draft_.sections.front().given.emplace(&row, statement.place);
    section_ = &draft_.sections.emplace_back(row.opens, statement.place);
  } else if (trust == Trust::guessed_name) {
    if ((row.sections & bit(section_->kind())) == 0) return;
    section_->given.emplace(&row, statement.place);
  } else if (!enter(row, statement)) {
    return;
  }
  set(row, statement, trust);
  if (row.opens == Section::upstream && section_->as<UpstreamDraft>().name.empty()) {
    draft_.upstream_unnamed = true;
  }
  if (draft_.include) begin_include(statement);
}

// False, and an error, where the directive may not stand.
bool ConfReader::enter(const Directive& row, const Statement& statement) {
  if ((row.sections & bit(section_->kind())) == 0) {
    errors_.add(statement.place, std::string(row.name) + misplaced(row, section_->kind()));
    return false;
  }
  const auto [first, fresh] = section_->given.emplace(&row, statement.place);
  if (fresh || row.repeatable) return true;
  errors_.add(statement.place, std::string(row.name) + " is already given " +
                                   seen_from(statement.place, first->second));
  return false;
}

void ConfReader::set(const Directive& row, const Statement& statement, Trust trust) {
  if (trust == Trust::unreadable_words) return;
  std::string wrong;
  const size_t given = statement.words.size() - 1;
  if (given < row.least_arguments || given > row.most_arguments) {
    wrong = wrong_count(row, given);
  } else {
    try {
      row.set({draft_, *section_, statement});
    } catch (const ConfProblem& problem) {
      wrong = std::string(row.name) + ": " + problem.what;
    }
  }
  if (draft_.bundle) {
    unfinished_.emplace(Unfinished{&row, statement, trust});
  } else {
    conclude(row, statement, trust, std::move(wrong));
  }
}

void ConfReader::go_on_with_bundle() {
  if (draft_.bundle->step()) return;
  const Unfinished line = std::move(*unfinished_);
  unfinished_.reset();
  std::string wrong;
  if (const Status good = draft_.bundle->finish(); !good.ok()) {
    wrong = std::string(line.row->name) + ": " + quoted(line.statement.words[1].text) + ": " +
            good.fault().text();
  }
  draft_.bundle.reset();
  conclude(*line.row, line.statement, line.trust, std::move(wrong));
}

// `wrong` says what is wrong with the line, or is "".
void ConfReader::conclude(const Directive& row, const Statement& statement, Trust trust,
                          std::string wrong) {
  if (wrong.empty() && !draft_.include) section_->lines.push_back({&row, statement});
  if (trust != Trust::good) return;
  if (!wrong.empty()) wrong = joined(wrong, hint_for_arguments(statement));
  wrong = joined(wrong, statement.punctuation);
  if (!wrong.empty()) errors_.add(statement.place, wrong);
}

void ConfReader::begin_include(const Statement& statement) {
  Include include{statement.place, statement.folder, std::move(*draft_.include), {}};
  draft_.include.reset();
  if (open_files_.size() > most_depth) {
    return refuse(include, ": files are nested more than " + std::to_string(most_depth) + " deep");
  }
  include.paths = included_paths(include);
  open_files_.back().include = std::move(include);
}

// Opens the next of the files, or ends `include` where none is left.
void ConfReader::open_next(std::optional<Include>& include) {
  if (include->next == include->paths.size()) return include.reset();
  const std::string& path = include->paths[include->next++];
  OpenFile& file = open_files_.emplace_back();
  FileFacts facts;
  const int error = draft_.inputs.read(path, file.content, facts);
  const bool known = std::any_of(
      open_files_.begin(), open_files_.end() - 1,
      [&](const OpenFile& each) { return each.canonical_path == facts.canonical_path; });
  if (!known && files_ < most_files && error == 0) {
    return begin(file, std::move(facts.canonical_path),
                 shown_name(include->place, include->folder, include->word, path), folder_of(path));
  }
  open_files_.pop_back();
  if (known) {
    refuse(*include, " includes itself, directly or through other files");
  } else if (files_ >= most_files) {
    refuse(*include, ": more than " + std::to_string(most_files) + " files");
  } else {
    return refuse(*include, " cannot be read: " + std::string(std::strerror(error)));
  }
  include.reset();
}

void ConfReader::refuse(const Include& include, const std::string& what) {
  draft_.incomplete = true;
  errors_.add(include.place, "include: " + quoted(include.word.text) + what);
}

// The file itself where the word is no pattern, else all files that match, sorted. A pattern that
// matches nothing is no error.
std::vector<std::string> ConfReader::included_paths(const Include& include) {
  const std::string& value = include.word.value;
  if (value.find_first_of("*?[") == std::string::npos) {
    return {resolve_path(include.folder, value)};
  }
  return draft_.inputs.glob(resolve_path(escaped_for_glob(include.folder), value));
}

}  // namespace sluice
