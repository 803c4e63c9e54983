// Events only say that it is time to look.
#include "core/process/file_watch.h"

#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "net/sys.h"
#include "net/sys_watch.h"

namespace sluice {

namespace {

constexpr Handle only_handle{0, 1};

std::string folder_of(const std::string& file) {
  const size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

// The file's own, and those of links on the way there.
void add_folders(const std::string& path, std::set<std::string>& folders) {
  folders.insert(folder_of(path));
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string way = path.substr(0, at);
    if (sys::is_link(way.c_str())) folders.insert(folder_of(way));
  }
}

std::string reason(int error) {
  if (error == ENOSPC) return "no more folders are watched (fs.inotify.max_user_watches)";
  if (error == EMFILE) return "no more watches are given (fs.inotify.max_user_instances)";
  return std::strerror(error);
}

}  // namespace

FileWatch::FileWatch(Reactor& reactor, Log& log, const char* directive,
                     std::function<void()> changed, uint64_t quiet_ms)
    : reactor_(reactor),
      log_(log),
      prefix_(std::string(directive) + ": "),
      changed_(std::move(changed)),
      quiet_ms_(quiet_ms),
      id_(reactor.attach(*this)) {}

void FileWatch::before_load() {
  for (auto& [path, file] : files_) file.loaded = file.latest = sys::file_state(path.c_str());
}

void FileWatch::watch(std::span<const std::string> files) {
  std::map<std::string, File> before = std::exchange(files_, {});
  for (const std::string& path : files) {
    // What is known already was noted before the conf was read, and may have changed since.
    const auto known = before.find(path);
    const sys::FileState now = sys::file_state(path.c_str());
    files_.emplace(path, known != before.end() ? known->second : File{now, now});
  }
  close();
  if (files_.empty()) return;
  reactor_.update_clock();  // the load took its time
  open_watch();
  look();
}

void FileWatch::open_watch() {
  watch_ = sys::open_folder_watch();
  if (watch_ < 0) {
    const std::string why = reason(-std::exchange(watch_, -1));
    return log_.error(LogLevel::warn, prefix_ + ("changes go unnoticed: " + why));
  }
  if (const Status watched = reactor_.watch(watch_, id_, only_handle, 0); !watched.ok()) {
    sys::close(std::exchange(watch_, -1));
    return log_.error(LogLevel::warn,
                      prefix_ + ("changes go unnoticed: " + watched.fault().text()));
  }
  std::set<std::string> folders;
  for (const auto& [path, file] : files_) add_folders(path, folders);
  for (const std::string& folder : folders) {
    const int error = -sys::watch_folder(watch_, folder.c_str());
    if (error == 0) continue;
    log_.error(LogLevel::warn,
               prefix_ + ("changes in " + folder + " go unnoticed: " + reason(error)));
    if (error == ENOSPC) return;  // so it is with the others
  }
}

void FileWatch::close() {
  reactor_.cancel(std::exchange(timer_, 0));
  if (watch_ < 0) return;
  reactor_.unwatch(watch_);
  sys::close(std::exchange(watch_, -1));
}

void FileWatch::leave_to_parent() {
  if (watch_ >= 0) sys::close(std::exchange(watch_, -1));
}

void FileWatch::on_ready(Handle handle, unsigned, Readiness) {
  on_run(handle);
}

// Whoever may write there can bring about any number of events: so many a turn.
void FileWatch::on_run(Handle handle) {
  constexpr int most_a_turn = 16;
  if (watch_ < 0) return;
  int taken = 0;
  while (taken < most_a_turn && sys::take_folder_changes(watch_)) ++taken;
  if (taken == most_a_turn) reactor_.enqueue(id_, handle);
  look();
}

void FileWatch::look() {
  bool pending = false;
  for (auto& [path, file] : files_) {
    const sys::FileState now = sys::file_state(path.c_str());
    if (now != file.latest) last_change_ms_ = reactor_.now_ms();
    file.latest = now;
    pending = pending || now != file.loaded;
  }
  if (pending && timer_ == 0) {
    timer_ = reactor_.arm(last_change_ms_ + quiet_ms_, id_, only_handle, 0);
  }
}

void FileWatch::on_timer(Handle handle, unsigned) {
  timer_ = 0;
  const uint64_t due_ms = last_change_ms_ + quiet_ms_;
  if (due_ms > reactor_.now_ms()) {
    timer_ = reactor_.arm(due_ms, id_, handle, 0);
    return;
  }
  for (const auto& [path, file] : files_) {
    if (file.latest == file.loaded) continue;
    log_.error(LogLevel::info, path + " has changed");
    before_load();
    return changed_();
  }
}

}  // namespace sluice
