// PeerLog: the line.
#include "core/session/peer_log.h"

#include <string>

namespace sluice {

void PeerLog::tell(const Peer& peer, LogLevel level, const char* kind,
                   std::string_view what) const {
  if (trace != nullptr) trace->note_about("peer", peer.name, what);
  Log& log = worker.log;
  if (!log.enabled(level)) return;
  const std::string who = "upstream " + upstream.name + ": peer " + peer.name + ": ";
  std::string line = who;
  line.append(what).append(", ").append(whose).append(" ").append(worker.id_text(id));
  log.recurring(level, who + kind, line);
}

}  // namespace sluice
