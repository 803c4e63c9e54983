// ${env:NAME} and ${file:PATH}: how secrets come into a conf. Also the one place where the loader
// reads files.
#pragma once

#include <cstddef>
#include <string>

namespace sluice {

// Expands every reference in `text`; "$${" is a literal "${". Relative paths begin at `folder`
// ("" or with its final '/'). A ConfProblem is thrown that names the reference, never its value.
std::string expand(const std::string& text, const std::string& folder);

// `path` itself where it is absolute, else under `folder`.
std::string resolve_path(const std::string& folder, const std::string& path);
// "/etc/sluice/" of "/etc/sluice/x.conf", "" of "x.conf".
std::string folder_of(const std::string& path);

// Returns 0, or an errno value; EFBIG where the file holds more than `most_bytes`.
int read_whole_file(const std::string& path, size_t most_bytes, std::string& content);

}  // namespace sluice
