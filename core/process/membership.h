// Membership: the master's knowledge of where servers' names lead, as its keeper finds out, and of
// which peers that makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "core/conf/conf_ids.h"
#include "core/config.h"
#include "core/members.h"
#include "core/names.h"
#include "core/peers/peer_board.h"

namespace sluice {

class Membership {
 public:
  // So long a peer that is listed no more keeps its number at least: what is under way in workers
  // may still be about it.
  static constexpr uint64_t keep_number_ms = 60'000;
  // Of more than so many that wait none is kept longer than it has to be.
  static constexpr size_t most_kept_numbers = 4'096;

  // The last good answer to each question of the conf in force: a load takes them for granted.
  const NameAnswers& answers() const { return answers_; }
  // What differs from the conf's own.
  const Members& members() const { return members_; }

  // That conf is in force, which was loaded with answers(). `all_told`: all workers use what
  // members() said until now. One that did not, and uses the new conf first, keeps the upstreams
  // that only confs before it have as they were, so that peers that were left until now keep their
  // numbers for good.
  void use_conf(const Config& config, uint32_t generation, bool all_told);
  // What a keeper says: answers, not always to all questions; to others than the conf's nothing is
  // done. Returns whether members() has changed. Peers that are new get their numbers of `ids`.
  // Where that takes a number of `most_peers` or more the target is left out. Throws std::bad_alloc
  // and changes nothing but `ids`, then.
  bool take(NameAnswers found, const Config& config, ConfIds& ids, size_t most_peers,
            uint64_t now_ms);
  // Targets that members() leaves out for want of numbers.
  size_t left_out() const { return left_out_; }
  // Gives back the numbers of peers that no name has led to for a while and that no session has.
  // All workers use what members() says, then. `board` sees all of them.
  void release_unused(ConfIds& ids, PeerBoard& board, uint64_t now_ms);

 private:
  static std::set<PeerId> listed(const Config& config, const Members& members);
  Members members_of(const NameAnswers& answers, const Config& config, ConfIds& ids,
                     size_t most_peers, size_t& left_out) const;

  NameAnswers answers_;
  Members members_;
  size_t left_out_ = 0;
  std::map<PeerId, uint64_t> left_ms_;  // since when a peer is listed no more
};

}  // namespace sluice
