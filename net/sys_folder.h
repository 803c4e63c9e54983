// sys, folders into which others put files: what they hold, without following any link in there.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sluice::sys {

int open_folder(const char* path);  // a descriptor or -errno
// What it holds, "." and ".." left out, in no order; at most so many names. 0 or -errno.
int names_in(int folder, size_t most, std::vector<std::string>& names);
// A descriptor to read it by, or -errno: -ELOOP for a link, -EINVAL for what is no regular file,
// -EACCES where its mode does not let everybody read it, whoever we are.
int open_public_file(int folder, const char* name);

}  // namespace sluice::sys
