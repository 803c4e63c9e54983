// RunKind: what a seed stands for. Each kind draws for itself, so that a seed of one is not changed
// by what another needs.
#pragma once

#include <cstdint>

namespace sluice::sim {

enum class RunKind : uint8_t {
  plain,
  tls,     // legs in TLS
  splice,  // large frames, which pass through pipes
  http2,   // most clients speak HTTP/2
  http2_tls,
};

inline bool in_tls(RunKind kind) {
  return kind == RunKind::tls || kind == RunKind::http2_tls;
}
inline bool in_http2(RunKind kind) {
  return kind == RunKind::http2 || kind == RunKind::http2_tls;
}

// As it stands behind `sim --seed N`.
inline const char* option_of(RunKind kind) {
  switch (kind) {
    case RunKind::plain:
      break;
    case RunKind::tls:
      return " --tls";
    case RunKind::splice:
      return " --splice";
    case RunKind::http2:
      return " --http2";
    case RunKind::http2_tls:
      return " --http2 --tls";
  }
  return "";
}

}  // namespace sluice::sim
