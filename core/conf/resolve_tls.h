// The part of resolving a conf that makes TLS contexts out of what its lines said.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/conf/draft.h"

namespace sluice {

// The listener's side of TLS, null where the section has no tls_certificate; an error where its
// lines do not fit together. `described` names the section in messages.
std::unique_ptr<TlsServer> resolve_tls_server(ConfDraft& draft, SectionDraft& section,
                                              const std::string& described, ConfErrors& errors,
                                              std::vector<std::string>& warnings);

// An upstream's side, null where none of `peers` is wss://. `section` is the upstream's, or a
// route's with a URI, which has no TLS settings of its own; the peers are that section's.
std::unique_ptr<TlsClient> resolve_tls_client(const ConfDraft& draft, const SectionDraft& section,
                                              std::span<const PeerConfig> peers,
                                              const std::string& described, ConfErrors& errors,
                                              std::vector<std::string>& warnings);

}  // namespace sluice
