// Fields: each has one name, and a set of them.
#include "core/log_format.h"

#include <doctest/doctest.h>

#include <set>

namespace sluice {
namespace {

TEST_CASE("log format: names and fields belong together") {
  std::set<std::string_view> names;
  for (size_t i = 0; i < log_field_names().size(); ++i) {
    const auto field = static_cast<LogField>(i);
    CHECK(log_field_named(name_of(field)) == field);
    names.insert(name_of(field));
  }
  CHECK(names.size() == log_field_names().size());
  CHECK(name_of(LogField::id) == "id");
  CHECK(name_of(LogField::user_agent) == "user_agent");
  CHECK(name_of(LogField::upstream_got_close) == "upstream_got_close");
  CHECK(name_of(LogField::detail) == "detail");
  CHECK_FALSE(log_field_named("Id"));
  CHECK_FALSE(log_field_named(""));
}

TEST_CASE("log format: a format wants what it names, a built-in one nothing") {
  LogFormat format;
  CHECK(format.built_in());
  CHECK(format.wanted().none());
  format.fields = {LogField::detail, LogField::id};
  CHECK_FALSE(format.built_in());
  CHECK(format.wanted().has(LogField::id));
  CHECK(format.wanted().has(LogField::detail));
  CHECK_FALSE(format.wanted().has(LogField::host));
  CHECK(format.wanted().both({LogField::host, LogField::peer}).none());
  CHECK_FALSE(format.wanted().both({LogField::host, LogField::id}).none());
}

TEST_CASE("log format: facilities have RFC 5424's numbers") {
  CHECK(syslog_facility_names()[0] == "kern");
  CHECK(syslog_facility_names()[3] == "daemon");
  CHECK(syslog_facility_names()[10] == "authpriv");
  CHECK(syslog_facility_names()[16] == "local0");
  CHECK(syslog_facility_names()[SyslogTarget().facility] == "local7");
}

}  // namespace
}  // namespace sluice
