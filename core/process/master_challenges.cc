// Master: what acme_dir holds goes to the workers, which open no files.
#include <string>
#include <utility>

#include "core/process/master.h"

namespace sluice {

// A worker that starts later inherits them. False where not all could be sent them: once more.
bool Master::send_challenges() {
  Result<MemoryText> text = MemoryText::make(bytes_of(challenge_watch_.challenges()));
  if (!text.ok()) {
    log_.recurring(LogLevel::error, "challenges without memory",
                   "workers do not learn yet what acme_dir holds: " + text.fault().text());
    return false;
  }
  const PassedText message{text.value().fd(), text.value().bytes()};
  bool all = true;
  crew_.send_to_all("what acme_dir holds", [&](uint32_t, ControlChannel& channel) {
    const Status sent = sluice::send_challenges(channel, message);
    all = all && sent.ok();
    return sent;
  });
  challenges_text_.emplace(std::move(text.value()));
  return all;
}

}  // namespace sluice
