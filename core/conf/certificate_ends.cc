// Days are whole ones: what ends within a day ends in 0 days.
#include "core/conf/certificate_ends.h"

namespace sluice {

std::string warning_of_end(const CertificateEnd& end, int64_t now_s, int days) {
  constexpr int64_t day_s = 86'400;
  const int64_t left_s = end.at_s - now_s;
  if (left_s < 0) return end.what + " has expired";
  if (left_s / day_s > days) return "";
  return end.what + " expires in " + std::to_string(left_s / day_s) + " days";
}

std::vector<std::string> warnings_of_ends(const Config& config, int64_t now_s, int days) {
  std::vector<std::string> warnings;
  for (const CertificateEnd& end : config.certificate_ends) {
    std::string warning = warning_of_end(end, now_s, days);
    if (!warning.empty()) warnings.push_back(std::move(warning));
  }
  return warnings;
}

}  // namespace sluice
