// Master: what `sluice -s status` shows of it and of all processes.
#include <nlohmann/json.hpp>

#include "core/process/master.h"
#include "core/process/peer_status.h"
#include "core/process/status.h"
#include "net/sys.h"

namespace sluice {

void Master::tell_status(Json& status) {
  status["pid"] = sys::process_id();
  status["version"] = SLUICE_VERSION;
  status["conf"] = conf_path_;
  status["generation"] = generation_;
  status["uptime_s"] = (sys::monotonic_ms() - started_ms_) / 1000;
  status["ending"] = leaving_ != Leaving::no;
  status["drained"] =
      drains_.status([this](const DrainOrder& order) { return sessions_left(order); });
  Json& workers = status["workers"] = Json::array();
  for (uint32_t number = 0; number < crew_.places(); ++number) {
    workers.push_back(worker_status(number, crew_.pid(number), rows_.row(number),
                                    rows_.labels(number), crew_.lost(number)));
  }
  if (keeper_.crew().size() > 0) status["keeper"] = {{"pid", keeper_.pid()}};
  PeerBoard board(peers_.memory(), 0);
  status["upstreams"] =
      upstreams_status(config_->upstreams, membership_.members(), board, sys::monotonic_ms());
}

}  // namespace sluice
