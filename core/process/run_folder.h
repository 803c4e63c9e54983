// The folder of our own below /run, which is empty when a machine has started.
#pragma once

#include <string>

#include "core/conf/expand.h"
#include "net/sys_process.h"

namespace sluice {

// Makes the folder of that file where it is one right below /run and missing. What fails shows when
// the file is made.
inline void make_run_folder(const std::string& path) {
  const std::string folder = run_folder_of(path);
  if (!folder.empty()) sys::make_folder(folder.c_str());
}

}  // namespace sluice
