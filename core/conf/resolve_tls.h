// The part of resolving a conf that makes TLS contexts out of what its lines said.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/conf/draft.h"

namespace sluice {

// What the listener's side of TLS is to be made with; nothing where the section has no
// tls_certificate, or, with an error, where its lines do not fit together. `described` names the
// section in messages.
std::optional<TlsServerSettings> resolve_tls_server(ConfDraft& draft, SectionDraft& section,
                                                    const std::string& described,
                                                    ConfErrors& errors,
                                                    std::vector<std::string>& warnings);

// An upstream's side, null where none of `servers` is wss://. `section` is the upstream's, or a
// route's with a URI, which has no TLS settings of its own; the servers are that section's.
TlsClientRef resolve_tls_client(ConfDraft& draft, const SectionDraft& section,
                                std::span<const ServerDraft> servers, const std::string& described,
                                ConfErrors& errors, std::vector<std::string>& warnings);

}  // namespace sluice
