// CertificateNotices: once a day the error log is told which certificates of ours end soon.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/observe/log.h"
#include "net/reactor.h"

namespace sluice {

class CertificateNotices final : public EventHandler {
 public:
  static constexpr uint64_t day_ms = 86'400'000;

  // Both outlive this. Tests have shorter days.
  CertificateNotices(Reactor& reactor, Log& log, uint64_t every_ms = day_ms)
      : reactor_(reactor), log_(log), every_ms_(every_ms), id_(reactor.attach(*this)) {}

  // From now on that Config's, of which the load has told already. The first time it begins to
  // count days.
  void use(ConfigRef config);

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}

 private:
  void arm();

  Reactor& reactor_;
  Log& log_;
  uint64_t every_ms_;
  Reactor::HandlerId id_;
  ConfigRef config_;
};

}  // namespace sluice
