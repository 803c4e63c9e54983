// What the linker puts in place of fopen, glob, globfree and getaddrinfo. Outside a ConfFiles' life
// the real ones are called: libFuzzer itself uses them.
#include "tests/fuzz/conf_files.h"

#include <fnmatch.h>
#include <glob.h>
#include <netdb.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice::fuzz {

namespace {

const std::map<std::string, std::string>* existing = nullptr;

}  // namespace

ConfFiles::ConfFiles(const std::map<std::string, std::string>& files) {
  existing = &files;
}

ConfFiles::~ConfFiles() {
  existing = nullptr;
}

}  // namespace sluice::fuzz

using sluice::fuzz::existing;

extern "C" {

std::FILE* __real_fopen(const char* path, const char* mode);
int __real_glob(const char* pattern, int flags, int (*on_error)(const char*, int), glob_t* found);
void __real_globfree(glob_t* found);
int __real_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** list);

std::FILE* __wrap_fopen(const char* path, const char* mode) {
  if (existing == nullptr) return __real_fopen(path, mode);
  const auto file = existing->find(path);
  if (file == existing->end()) {
    errno = ENOENT;
    return nullptr;
  }
  // Only read; fmemopen's own parameter is not const.
  return ::fmemopen(const_cast<char*>(file->second.data()), file->second.size(), "r");
}

int __wrap_glob(const char* pattern, int flags, int (*on_error)(const char*, int), glob_t* found) {
  if (existing == nullptr) return __real_glob(pattern, flags, on_error, found);
  *found = glob_t{};
  found->gl_pathv = static_cast<char**>(std::calloc(existing->size() + 1, sizeof(char*)));
  for (const auto& [path, content] : *existing) {
    if (::fnmatch(pattern, path.c_str(), FNM_PATHNAME | FNM_PERIOD) != 0) continue;
    found->gl_pathv[found->gl_pathc++] = ::strdup(path.c_str());
  }
  return found->gl_pathc == 0 ? GLOB_NOMATCH : 0;
}

void __wrap_globfree(glob_t* found) {
  if (existing == nullptr) return __real_globfree(found);
  for (size_t i = 0; i < found->gl_pathc; ++i) std::free(found->gl_pathv[i]);
  std::free(found->gl_pathv);
}

// Numeric hosts are what they are; of names, those that end in "t" (localhost) are there.
int __wrap_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** list) {
  if (existing == nullptr) return __real_getaddrinfo(host, service, hints, list);
  addrinfo numeric = *hints;
  numeric.ai_flags |= AI_NUMERICHOST;
  const int answer = __real_getaddrinfo(host, service, &numeric, list);
  if (answer == 0 || !std::string_view(host).ends_with("t")) return answer;
  return __real_getaddrinfo("192.0.2.7", service, &numeric, list);
}
}
