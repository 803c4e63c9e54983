// sys, changes in folders: sys_watch_linux.cc has this kernel's way (inotify), sys_watch_none.cc
// none.
#pragma once

namespace sluice::sys {

// A descriptor that becomes readable when something changes in the folders that it watches:
// -ENOSYS where the system has no such thing, -EMFILE where it gives this user no more.
int open_folder_watch();
// 0 or -errno; -ENOSPC where the system watches no more folders for this user. What is written is
// told of when it is closed; twice the same folder is once.
int watch_folder(int watch, const char* folder);
// Takes some of what was told. False when nothing is left.
bool take_folder_changes(int watch);

}  // namespace sluice::sys
