// ChallengeWatch: the files of acme_dir, read again as soon as something changes there, by the
// master: workers open no files. Whoever asks for a certificate puts a file there and removes it
// seconds later. What everybody may fetch anyway is all that is read: files that everybody on this
// machine may read, no links, so that a folder of a stranger leads nowhere else.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/observe/log.h"
#include "core/session/challenges.h"
#include "net/reactor.h"

namespace sluice {

class ChallengeWatch final : public EventHandler {
 public:
  // However often something changes, the folder is read once in so long.
  static constexpr uint64_t least_interval_ms = 20;
  // What cannot be watched (it is not there, say) is looked at that often.
  static constexpr uint64_t poll_ms = 1'000;
  // And what is watched that often: its name may lead to another folder since.
  static constexpr uint64_t relook_ms = 10'000;

  // `changed` is called where challenges() is not what it was; false: it shall be called again in a
  // while. All outlive this.
  ChallengeWatch(Reactor& reactor, Log& log, std::function<bool()> changed)
      : reactor_(reactor), log_(log), changed_(std::move(changed)), id_(reactor.attach(*this)) {}
  ChallengeWatch(const ChallengeWatch&) = delete;
  ChallengeWatch& operator=(const ChallengeWatch&) = delete;
  ~ChallengeWatch() override { close(); }

  // Reads that folder, and from now on what changes there; "": none, and there are no challenges.
  void use(const std::string& folder);
  // The latest ones, in a folder of more than most_challenges.
  const Challenges& challenges() const { return challenges_; }
  // In a forked child: closes its copy. The parent goes on.
  void leave_to_parent();

  void on_ready(Handle handle, unsigned leg, Readiness ready) override;
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle handle) override;

 private:
  void look();
  bool open_watch();
  Challenges read_folder();
  void add_file(int folder, const std::string& name, Challenges& found);
  void arm(uint64_t at_ms);
  void close();

  Reactor& reactor_;
  Log& log_;
  std::function<bool()> changed_;
  Reactor::HandlerId id_;
  std::string folder_;  // "": none
  Challenges challenges_;
  bool told_ = true;  // `changed` knows of them
  int watch_ = -1;
  uint64_t looked_ms_ = 0;
  uint64_t timer_at_ms_ = 0;
  TimerId timer_ = 0;
};

}  // namespace sluice
