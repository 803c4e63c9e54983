// RunKind: what a seed stands for. Each kind draws for itself, so that a seed of one is not changed
// by what another needs.
#pragma once

#include <cstdint>

namespace sluice::sim {

enum class RunKind : uint8_t {
  plain,
  tls,     // legs in TLS
  splice,  // large frames, which pass through pipes
};

// As it stands behind `sim --seed N`.
inline const char* option_of(RunKind kind) {
  return kind == RunKind::tls ? " --tls" : kind == RunKind::splice ? " --splice" : "";
}

}  // namespace sluice::sim
