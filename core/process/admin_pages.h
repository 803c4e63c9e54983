// KeeperPages: what the admin address tells, from the memory that all processes share, from the
// conf that the keeper has, and from what it noted of the minutes before. It asks nobody.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/keeper/names.h"
#include "core/members.h"
#include "core/peers/peer_board.h"
#include "core/process/admin_server.h"
#include "core/process/counter_rows.h"
#include "core/process/metrics.h"
#include "core/process/recent_totals.h"

namespace sluice {

class KeeperPages final : public AdminPages {
 public:
  // `rows` (null: there are none, and nothing is told) and `peers` outlive it. Labels are those of
  // confs so far, by their ids.
  // `names` outlives it, too; null: nobody asks for names.
  KeeperPages(const CounterRows* rows, PeerBoard::Memory peers, std::vector<std::string> routes,
              std::vector<std::string> listeners, const NameCounts* names = nullptr);

  // From now on what that conf says, which outlives this, or the next call. Where it throws
  // std::bad_alloc the conf before is still in use.
  void use(const Config& config, const Members& members);

  AdminAnswer answer(const AdminRequest& request) override;
  std::string first_event() override;
  std::string event() override;

  // About once a second, for those who want to know what has been. May throw std::bad_alloc.
  void note_moment();

  // "": sluice is well, or ready; else why not.
  std::string unhealthy() const;
  std::string unready() const;

 private:
  MetricsSources sources() const;
  std::string status() const;
  bool has_peer(const UpstreamConfig& upstream) const;

  const CounterRows* rows_;
  PeerBoard::Memory peers_;
  std::vector<std::string> routes_;
  std::vector<std::string> listeners_;
  const NameCounts* names_;
  const Config* config_ = nullptr;
  Members members_;
  RecentTotals recent_;
};

}  // namespace sluice
