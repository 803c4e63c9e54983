// What is told of certificates of ours that end soon or have ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace sluice {

// How many days before its end a certificate is told of: at the start, at a reload and once a day,
// and by `sluice -t`.
inline constexpr int days_of_notice = 14;
inline constexpr int days_of_notice_in_check = 30;

// "" where more than so many days are left.
std::string warning_of_end(const CertificateEnd& end, int64_t now_s, int days);
// A warning for each of the Config's certificates that has one, in the order of lines.
std::vector<std::string> warnings_of_ends(const Config& config, int64_t now_s, int days);

}  // namespace sluice
