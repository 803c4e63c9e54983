// KeptConnection: what of a client's connection outlasts one request on it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/session/client_address.h"
#include "core/session/preface.h"

namespace sluice {

struct KeptConnection {
  std::unique_ptr<Preface> preface;  // done; null: the listener asks for none
  ClientAddress address;             // whom it comes from, whomever a trusted proxy names
  uint32_t requests = 0;             // that were answered on it
};

// Beside an idle session this is all that a client costs which keeps its plain connection.
static_assert(sizeof(KeptConnection) <= 40);

}  // namespace sluice
