// Expansion goes over a word once, from left to right: what a value holds is not expanded again.
#include "core/conf_expand.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/conf_draft.h"

namespace sluice {

namespace {

constexpr size_t most_value_bytes = 64 * 1024;  // more is no secret but a mistake
constexpr std::string_view env_prefix = "env:";
constexpr std::string_view file_prefix = "file:";

std::string value_of_variable(const std::string& name) {
  if (name.empty()) throw ConfProblem{"no variable is named"};
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) throw ConfProblem{"the environment variable is not set"};
  return value;
}

std::string value_of_file(const std::string& path, const std::string& folder) {
  if (path.empty()) throw ConfProblem{"no file is named"};
  std::string value;
  const int error = read_whole_file(resolve_path(folder, path), most_value_bytes, value);
  if (error == EFBIG) throw ConfProblem{"the file holds more than 64k"};
  if (error != 0) throw ConfProblem{std::string("cannot be read: ") + std::strerror(error)};
  if (value.ends_with('\n')) value.pop_back();
  if (value.ends_with('\r')) value.pop_back();  // a line end of other systems
  return value;
}

std::string value_of(const std::string& reference, const std::string& folder) {
  std::string value;
  if (reference.starts_with(env_prefix)) {
    value = value_of_variable(reference.substr(env_prefix.size()));
  } else if (reference.starts_with(file_prefix)) {
    value = value_of_file(reference.substr(file_prefix.size()), folder);
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

std::string expand(const std::string& text, const std::string& folder,
                   std::vector<Span>* verbatim) {
  std::string result;
  const auto append_verbatim = [&](const std::string& value) {
    if (verbatim != nullptr) verbatim->push_back({result.size(), result.size() + value.size()});
    result += value;
  };
  size_t at = 0;
  while (at < text.size()) {
    const size_t dollars = std::min(text.find_first_not_of('$', at), text.size()) - at;
    if (dollars == 0 || text.compare(at + dollars, 1, "{") != 0) {
      result.append(text, at, std::max<size_t>(dollars, 1));
      at += std::max<size_t>(dollars, 1);
      continue;
    }
    const bool escaped = dollars % 2 == 0;
    result.append(dollars - (escaped ? 2 : 1), '$');
    at += dollars + 1;
    if (escaped) {
      append_verbatim("${");
      continue;
    }
    const size_t end = text.find('}', at);
    if (end == std::string::npos) throw ConfProblem{quoted(text) + ": ${ without its }"};
    const std::string reference = text.substr(at, end - at);
    try {
      append_verbatim(value_of(reference, folder));
    } catch (const ConfProblem& problem) {
      throw ConfProblem{"${" + reference + "}: " + problem.what};
    }
    at = end + 1;
  }
  return result;
}

std::string resolve_path(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : folder + path;
}

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/') + 1);
}

int read_whole_file(const std::string& path, size_t most_bytes, std::string& content) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (file == nullptr) return errno;
  content.clear();
  char block[16 * 1024];
  while (const size_t bytes = std::fread(block, 1, sizeof block, file.get())) {
    content.append(block, bytes);
    if (content.size() > most_bytes) return EFBIG;
  }
  return std::ferror(file.get()) != 0 ? (errno != 0 ? errno : EIO) : 0;
}

}  // namespace sluice
