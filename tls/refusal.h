// Why TLS with a peer failed, in words for the operator who has to mend it.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>

namespace sluice {

// Empties OpenSSL's error queue and says in static text what it held. `asked_in_vain`: the server
// asked for a certificate and got none. Where a limit was passed, `detail` gets it with what was
// seen.
const char* take_failure(SSL* ssl, bool asked_in_vain, std::string& detail);

// Describes a verification that has just failed: which name was asked for and which ones the
// certificate names, when it ended, who issued it. "" where there is no more to say. All of it is
// printable, and as long as a line of a log may be.
std::string describe_refused(X509_STORE_CTX* verification);

// TlsTransport::silence with the limit and what was seen, which is one more.
std::string describe_silence(uint32_t records_without_data);

}  // namespace sluice
