// CloseReasons: what Closes of ours say beside their codes. Only a session that whoever runs sluice
// ends with words of his has an entry, from then until it is over. One a worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/frame_codec.h"

namespace sluice {

class CloseReasons {
 public:
  // Of that session, by its number; `reason` is UTF-8 of at most max_close_reason_bytes. The first
  // one stays. Throws std::bad_alloc.
  void keep(uint64_t session, std::string_view reason) { reasons_.try_emplace(session, reason); }
  // "" where none is kept. It holds until drop() of that session.
  std::string_view of(uint64_t session) const {
    const auto found = reasons_.find(session);
    return found == reasons_.end() ? std::string_view() : std::string_view(found->second);
  }
  void drop(uint64_t session) { reasons_.erase(session); }
  size_t size() const { return reasons_.size(); }

 private:
  std::unordered_map<uint64_t, std::string> reasons_;  // whose nodes stay where they are
};

}  // namespace sluice
