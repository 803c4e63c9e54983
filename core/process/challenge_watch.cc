// Events only say that it is time to look.
#include "core/process/challenge_watch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "net/sys.h"
#include "net/sys_folder.h"
#include "net/sys_process.h"
#include "net/sys_watch.h"

namespace sluice {

namespace {

constexpr Handle only_handle{0, 1};
// Of a folder that holds as many, some may not be looked at.
constexpr size_t most_names = 1'024;

const char* why_not(int error) {
  switch (error) {
    case ELOOP:
      return "it is a link";
    case EINVAL:
      return "it is no file";
    case EACCES:
      return "not everybody may read it";
    case EFBIG:
      return "it has more than 4k";
    default:
      return std::strerror(error);
  }
}

// Names of challenges with when they were written, the latest first, as many as are served.
std::vector<std::pair<int64_t, std::string>> latest(int folder, std::vector<std::string> names) {
  std::vector<std::pair<int64_t, std::string>> files;
  for (std::string& name : names) {
    if (!is_challenge_name(name)) continue;
    const int fd = sys::open_public_file(folder, name.c_str());
    // What cannot be opened is told of where it is read.
    files.emplace_back(fd >= 0 ? sys::file_state(fd).written_ns : 0, std::move(name));
    if (fd >= 0) sys::close(fd);
  }
  std::sort(files.rbegin(), files.rend());
  return files;
}

}  // namespace

void ChallengeWatch::use(const std::string& folder) {
  if (folder.empty() && folder_.empty()) return;
  folder_ = folder;
  reactor_.update_clock();
  look();
}

void ChallengeWatch::leave_to_parent() {
  if (watch_ >= 0) sys::close(std::exchange(watch_, -1));
}

void ChallengeWatch::close() {
  reactor_.cancel(std::exchange(timer_, 0));
  if (watch_ < 0) return;
  reactor_.unwatch(watch_);
  sys::close(std::exchange(watch_, -1));
}

void ChallengeWatch::arm(uint64_t at_ms) {
  if (timer_ != 0 && timer_at_ms_ <= at_ms) return;
  reactor_.cancel(timer_);
  timer_ = reactor_.arm(at_ms, id_, only_handle, 0);
  timer_at_ms_ = at_ms;
}

void ChallengeWatch::on_ready(Handle, unsigned, Readiness) {
  const uint64_t due_ms = looked_ms_ + least_interval_ms;
  if (due_ms > reactor_.now_ms()) return arm(due_ms);
  look();
}

void ChallengeWatch::on_timer(Handle, unsigned) {
  timer_ = 0;
  look();
}

void ChallengeWatch::on_run(Handle) {}

// The watch is opened anew each time, so that it is on the folder that has this name now; before
// the folder is read, so that no change falls between the two.
void ChallengeWatch::look() {
  close();
  looked_ms_ = reactor_.now_ms();
  const bool watched = folder_.empty() || open_watch();
  Challenges found = folder_.empty() ? Challenges() : read_folder();
  if (found != challenges_) {
    challenges_ = std::move(found);
    told_ = false;
    log_.error(LogLevel::info,
               "acme_dir " + folder_ + ": files served: " + std::to_string(challenges_.size()));
  }
  if (!told_) told_ = changed_();
  if (!watched || !told_) {
    arm(looked_ms_ + poll_ms);
  } else if (!folder_.empty()) {
    arm(looked_ms_ + relook_ms);
  }
}

bool ChallengeWatch::open_watch() {
  watch_ = sys::open_folder_watch();
  int error = watch_ < 0 ? -std::exchange(watch_, -1) : 0;
  if (error == 0) error = -sys::watch_folder(watch_, folder_.c_str());
  if (error == 0 && reactor_.watch(watch_, id_, only_handle, 0).ok()) return true;
  if (watch_ >= 0) sys::close(std::exchange(watch_, -1));
  return false;  // what is wrong shows where the folder is read, or costs a second
}

Challenges ChallengeWatch::read_folder() {
  Challenges found;
  std::vector<std::string> names;
  const int folder = sys::open_folder(folder_.c_str());
  const int error = folder < 0 ? -folder : -sys::names_in(folder, most_names, names);
  if (error != 0) {
    log_.recurring(
        LogLevel::warn, "acme_dir",
        "acme_dir " + folder_ + ": " + std::strerror(error) + ": no challenge is answered");
  } else {
    if (names.size() == most_names) {
      log_.recurring(LogLevel::warn, "acme_dir is crowded",
                     "acme_dir " + folder_ + ": it holds " + std::to_string(most_names) +
                         " files and more, of which some are not looked at: give challenges a "
                         "folder of their own");
    }
    const auto files = latest(folder, std::move(names));
    if (files.size() > most_challenges) {
      log_.recurring(LogLevel::warn, "acme_dir is full",
                     "acme_dir " + folder_ + ": of " + std::to_string(files.size()) +
                         " files the latest " + std::to_string(most_challenges) + " are served");
    }
    for (size_t i = 0; i < std::min(files.size(), most_challenges); ++i) {
      add_file(folder, files[i].second, found);
    }
  }
  if (folder >= 0) sys::close(folder);
  return found;
}

void ChallengeWatch::add_file(int folder, const std::string& name, Challenges& found) {
  std::string text;
  const int fd = sys::open_public_file(folder, name.c_str());
  const int error = fd < 0 ? -fd : -sys::read_whole_file(fd, most_challenge_bytes, text);
  if (fd >= 0) sys::close(fd);
  if (error == 0) {
    found.emplace(name, std::move(text));
  } else if (error != ENOENT) {  // it was removed meanwhile
    log_.recurring(LogLevel::warn, "file of acme_dir",
                   "acme_dir " + folder_ + ": " + name + " is not served: " + why_not(error));
  }
}

}  // namespace sluice
