// Expansion goes over a word once, from left to right: what a value holds is not expanded again.
#include "core/conf/expand.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/conf/draft.h"

namespace sluice {

namespace {

constexpr size_t most_value_bytes = 64 * 1024;  // more is no secret but a mistake
constexpr std::string_view env_prefix = "env:";

std::string value_of_variable(ConfInputs& inputs, const std::string& name) {
  if (name.empty()) throw ConfProblem{"no variable is named"};
  const std::optional<std::string> value = inputs.variable(name);
  if (!value) throw ConfProblem{"the environment variable is not set"};
  return *value;
}

std::string value_of_file(ConfInputs& inputs, const std::string& path, const std::string& folder) {
  if (path.empty()) throw ConfProblem{"no file is named"};
  Secret content(most_value_bytes);
  FileFacts facts;
  const int error = inputs.read(resolve_path(folder, path), content, facts);
  if (error == EFBIG) throw ConfProblem{"the file holds more than 64k"};
  if (error != 0) throw ConfProblem{std::string("cannot be read: ") + std::strerror(error)};
  std::string_view value = content.view();
  if (value.ends_with('\n')) value.remove_suffix(1);
  if (value.ends_with('\r')) value.remove_suffix(1);  // a line end of other systems
  return std::string(value);
}

std::string value_of(ConfInputs& inputs, const std::string& reference, const std::string& folder) {
  std::string value;
  if (reference.starts_with(env_prefix)) {
    value = value_of_variable(inputs, reference.substr(env_prefix.size()));
  } else if (reference.starts_with(file_reference_prefix)) {
    value = value_of_file(inputs, reference.substr(file_reference_prefix.size()), folder);
  } else {
    throw ConfProblem{
        "only ${env:NAME} and ${file:PATH} can be expanded; write $${ for a plain ${"};
  }
  // Such a value could begin a header field of its own.
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    throw ConfProblem{"the value holds a line break or a NUL byte"};
  }
  return value;
}

}  // namespace

std::vector<TextPiece> split_references(const std::string& text) {
  std::vector<TextPiece> pieces;
  const std::string_view whole(text);
  size_t plain_from = 0;
  const auto end_plain = [&](size_t end) {
    if (end > plain_from) {
      pieces.push_back({TextPiece::Kind::plain, whole.substr(plain_from, end - plain_from)});
    }
  };
  for (size_t brace = text.find('{'); brace != std::string::npos;) {
    const size_t before = brace == 0 ? std::string::npos : text.find_last_not_of('$', brace - 1);
    const size_t dollars = brace - std::max(before + 1, plain_from);
    if (dollars == 0) {
      brace = text.find('{', brace + 1);
      continue;
    }
    const bool escaped = dollars % 2 == 0;
    end_plain(brace - (escaped ? 2 : 1));
    if (escaped) {
      pieces.push_back({TextPiece::Kind::escaped, whole.substr(brace - 2, 3)});
      plain_from = brace + 1;
    } else {
      const size_t end = text.find('}', brace);
      if (end == std::string::npos) throw ConfProblem{quoted(text) + ": ${ without its }"};
      const std::string_view inside = whole.substr(brace + 1, end - brace - 1);
      pieces.push_back({TextPiece::Kind::reference, inside});
      plain_from = end + 1;
    }
    brace = text.find('{', plain_from);
  }
  end_plain(text.size());
  return pieces;
}

std::string expand(ConfInputs& inputs, const std::string& text, const std::string& folder,
                   std::vector<Span>* verbatim) {
  std::string result;
  const auto append_verbatim = [&](const std::string& value) {
    if (verbatim != nullptr) verbatim->push_back({result.size(), result.size() + value.size()});
    result += value;
  };
  for (const TextPiece& piece : split_references(text)) {
    if (piece.kind == TextPiece::Kind::plain) {
      result += piece.text;
    } else if (piece.kind == TextPiece::Kind::escaped) {
      append_verbatim("${");
    } else {
      const std::string reference(piece.text);
      try {
        append_verbatim(value_of(inputs, reference, folder));
      } catch (const ConfProblem& problem) {
        throw ConfProblem{"${" + reference + "}: " + problem.what};
      }
    }
  }
  return result;
}

std::string resolve_path(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : folder + path;
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);
}

std::string run_folder_of(const std::string& path) {
  const std::string folder = folder_of(path);
  const std::string above = folder.empty() ? "" : folder_of(folder.substr(0, folder.size() - 1));
  const bool of_run = above == "/run/" || above == "/var/run/";
  return of_run && !folder.ends_with("//") ? folder : "";
}

}  // namespace sluice
