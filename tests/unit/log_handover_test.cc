// Logs on their way to a worker: they arrive as they were, or not at all.
#include "core/process/log_handover.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

LogHandover both() {
  LogHandover logs;
  logs.error.descriptor = {7, true};
  logs.error.format.form = LogForm::json;
  logs.access.descriptor = {8, false};
  logs.access.format = {LogForm::text, {LogField::detail, LogField::id}, 1024};
  logs.access.syslog = SyslogTarget{Address::parse("[::1]:514").value(), 16, "edge"};
  logs.access.host_name = "box.example";
  return logs;
}

TEST_CASE("log handover: everything but the descriptors' numbers comes back") {
  const std::optional<LogHandover> got = unpacked_logs(packed(both()));
  REQUIRE(got);
  CHECK(got->error.on());
  CHECK(got->error.descriptor.may_block);
  CHECK(got->error.format == both().error.format);
  CHECK_FALSE(got->error.syslog);
  CHECK(got->access.on());
  CHECK_FALSE(got->access.descriptor.may_block);
  CHECK(got->access.format == both().access.format);
  CHECK(got->access.syslog == both().access.syslog);
  CHECK(got->access.host_name == "box.example");
  const std::optional<LogHandover> off = unpacked_logs(packed(LogHandover()));
  REQUIRE(off);
  CHECK_FALSE(off->error.on());
  CHECK_FALSE(off->access.on());
}

TEST_CASE("log handover: bytes cut off, bytes too many and unknown fields are none") {
  const std::vector<uint8_t> whole = packed(both());
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    CHECK_FALSE(unpacked_logs(std::span(whole).first(bytes)));
  }
  std::vector<uint8_t> longer = whole;
  longer.push_back(0);
  CHECK_FALSE(unpacked_logs(longer));
  LogHandover unknown = both();
  unknown.access.format.fields.push_back(static_cast<LogField>(log_field_names().size()));
  CHECK_FALSE(unpacked_logs(packed(unknown)));
  LogHandover lax = both();
  lax.access.format.most_value_bytes = most_log_value_bytes + 1;
  CHECK_FALSE(unpacked_logs(packed(lax)));
}

TEST_CASE("log handover: the longest one fits into a message") {
  LogHandover logs = both();
  for (LogOutput* output : {&logs.error, &logs.access}) {
    output->format.fields.assign(log_field_names().size(), LogField::id);
    output->syslog.emplace();
    output->syslog->address = Address::from_unix_path("/" + std::string(106, 'x')).value();
    output->syslog->tag = std::string(SyslogTarget::most_tag_bytes, 't');
    output->host_name = std::string(255, 'h');
  }
  CHECK(packed(logs).size() < 4096);
  CHECK(unpacked_logs(packed(logs)));
}

}  // namespace
}  // namespace sluice
