// What a keeper found stands while it is gone, if another one is to come.
#include "core/process/keeper_place.h"

#include <utility>

#include "core/peers/peer_health.h"

namespace sluice {

void KeeperPlace::want(bool wanted) {
  if (crew_.size() != (wanted ? 1u : 0u)) crew_.set_size(wanted ? 1 : 0);
  forget_checks();
}

std::vector<std::string> KeeperPlace::prepare_start(uint32_t) {
  results_stand_ = true;
  return {};
}

void KeeperPlace::send_conf(uint32_t generation, const ConfBundle& bundle) {
  const ConfTerms terms{generation, 1, 0};  // one keeper, if it still has anything to do
  crew_.send_to_all("the conf", [&](uint32_t, ControlChannel& channel) {
    return sluice::send_conf(channel, terms, {}, bundle.fd(), bundle.bytes());
  });
}

void KeeperPlace::send_logs(const LogHandover& logs) {
  crew_.send_to_all(
      "logs", [&](uint32_t, ControlChannel& channel) { return sluice::send_logs(channel, logs); });
}

void KeeperPlace::send_members(const PassedText& members) {
  crew_.send_to_all("where names lead", [&](uint32_t, ControlChannel& channel) {
    return sluice::send_members(channel, members);
  });
}

void KeeperPlace::send_name_files(const NameFiles& files) {
  crew_.send_to_all("the files of names", [&](uint32_t, ControlChannel& channel) {
    return sluice::send_name_files(channel, files);
  });
}

void KeeperPlace::send_admin(int fd) {
  crew_.send_to_all("the admin address's socket", [&](uint32_t, ControlChannel& channel) {
    return sluice::send_admin(channel, fd);
  });
}

bool KeeperPlace::on_worker_says(uint32_t, const ControlMessage& message) {
  const std::optional<size_t> bytes = read_answers(message);
  return bytes && answered_(*bytes);
}

void KeeperPlace::on_crew_progress() {
  forget_checks();
  progress_();
}

// Where none is wanted and none is left that could.
void KeeperPlace::forget_checks() {
  if (crew_.size() > 0 || crew_.any_alive() || !std::exchange(results_stand_, false)) return;
  for (PeerHealth& each : peers_.memory().health) forget_check(each);
}

}  // namespace sluice
