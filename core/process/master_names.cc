// Master: where servers' names lead. The keeper asks; the master numbers the peers that it finds,
// and tells all processes. It opens the files that the keeper reads, and parses neither them nor
// anything from the network.
#include <string>
#include <utility>

#include "core/process/master.h"
#include "core/process/name_bytes.h"
#include "net/sys.h"

namespace sluice {

namespace {

constexpr const char* hosts_file = "/etc/hosts";
constexpr const char* resolv_conf_file = "/etc/resolv.conf";

}  // namespace

// False where it is nothing that a keeper says.
bool Master::on_answers(size_t bytes) {
  const std::span<const char> memory = answer_memory_.bytes();
  if (bytes > memory.size()) return false;
  // A copy: what is parsed may not change meanwhile.
  const std::string text(memory.data(), bytes);
  std::optional<NameAnswers> answers = answers_from(text, config_->resolver.most_addresses);
  if (!answers) return false;
  const uint64_t now_ms = sys::monotonic_ms();
  if (members_owed_) send_members();
  const auto awaits = [](const Crew& crew, ControlKind kind) {
    return crew.awaits(static_cast<uint16_t>(kind));
  };
  const bool all_told = !members_owed_ && !awaits(crew_, ControlKind::members) &&
                        !awaits(crew_, ControlKind::conf) &&
                        !awaits(keeper_.crew(), ControlKind::members);
  PeerBoard board(peers_.memory(), 0);
  if (all_told) membership_.release_unused(ids_, board, now_ms);
  const size_t room = peers_.memory().health.size();
  if (!membership_.take(*std::move(answers), *config_, ids_, room, now_ms)) return true;
  if (membership_.left_out() > 0) {
    log_.recurring(LogLevel::warn, "addresses without a number",
                   std::to_string(membership_.left_out()) +
                       " addresses of servers' names are left out: there are " +
                       std::to_string(room) + " peers, or they change faster than sessions end");
  }
  send_members();
  return true;
}

// A process that starts later inherits them. What could not be sent to all is sent again with the
// keeper's next answers, and no number is given anew until then.
void Master::send_members() {
  members_owed_ = true;
  Result<MemoryText> text = MemoryText::make(bytes_of(membership_.members()));
  if (!text.ok()) {
    return log_.recurring(LogLevel::error, "members without memory",
                          "workers do not learn yet where names lead: " + text.fault().text());
  }
  const PassedText message{text.value().fd(), text.value().bytes()};
  bool all = true;
  crew_.send_to_all("where names lead", [&](uint32_t, ControlChannel& channel) {
    const Status sent = sluice::send_members(channel, message);
    all = all && sent.ok();
    return sent;
  });
  keeper_.send_members(message);
  members_text_.emplace(std::move(text.value()));
  members_owed_ = !all;
}

void Master::watch_name_files() {
  if (questions_of(*config_).empty()) {
    name_files_watch_.close();
    return close_name_files();
  }
  static const std::string files[] = {hosts_file, resolv_conf_file};
  name_files_watch_.watch(files);
  open_name_files();
}

// One that is missing is no fault: a machine may have neither.
void Master::open_name_files() {
  const NameFiles before = name_files_;
  name_files_ = {sys::open_for_reading(hosts_file), sys::open_for_reading(resolv_conf_file)};
  name_files_watch_.before_load();
  keeper_.send_name_files(name_files_);
  for (const int fd : {before.hosts, before.resolv_conf}) {
    if (fd >= 0) sys::close(fd);
  }
}

void Master::close_name_files() {
  for (int* const fd : {&name_files_.hosts, &name_files_.resolv_conf}) {
    if (*fd >= 0) sys::close(std::exchange(*fd, -1));
  }
}

}  // namespace sluice
