// The system's trust anchors, all of them at once. OpenSSL by itself looks for one in a folder when
// a certificate needs it, and workers open no files.
#pragma once

#include "net/result.h"
#include "tls/openssl_ptr.h"

namespace sluice {

// What OpenSSL's default file and default folders hold (SSL_CERT_FILE and SSL_CERT_DIR, where they
// are set, stand for them), certificates and CRLs; of a folder, as OpenSSL does, the files with
// names made of a subject's hash (c_rehash(1)). A file that cannot be read is left out.
StorePtr load_system_authorities();

// The same, loaded once, for everybody who adds nothing to it.
X509_STORE* system_authorities();

}  // namespace sluice
