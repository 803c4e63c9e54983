// It goes on by itself: each day arms the next.
#include "core/process/certificate_notices.h"

#include <utility>

#include "core/conf/certificate_ends.h"

namespace sluice {

void CertificateNotices::use(ConfigRef config) {
  const bool first = !config_;
  config_ = std::move(config);
  if (first) arm();
}

void CertificateNotices::arm() {
  reactor_.arm(reactor_.now_ms() + every_ms_, id_, Handle{0, 1}, 0);
}

void CertificateNotices::on_timer(Handle, unsigned) {
  for (const std::string& warning :
       warnings_of_ends(*config_, system_wall_clock_s(), days_of_notice)) {
    log_.error(LogLevel::warn, warning);
  }
  arm();
}

}  // namespace sluice
