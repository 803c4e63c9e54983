// Logs in a conf: where they go, how their lines look, and what is said of near misses.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/conf/conf.h"
#include "core/config.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

std::string errors_with(const std::string& lines) {
  return errors_in(conf_of(lines));
}

std::unique_ptr<Config> conf_with(const std::string& lines) {
  ConfOutcome outcome = load_text(conf_of(lines));
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
  return std::move(outcome.config);
}

std::string warning_of(const std::string& lines) {
  const ConfOutcome outcome = load_text(conf_of(lines));
  REQUIRE(errors_of(outcome) == "");
  REQUIRE(outcome.warnings.size() == 1);
  return outcome.warnings[0].substr(outcome.warnings[0].find("test.conf:") + 10);
}

using Fields = std::vector<LogField>;

}  // namespace

TEST_CASE("conf logs: formats, built in and one's own, before or behind the line that names them") {
  CHECK(conf_with("access_log stdout")->access_log.format == LogFormat());
  CHECK(conf_with("access_log stdout text")->access_log.format == LogFormat());
  CHECK(conf_with("access_log stdout json")->access_log.format ==
        LogFormat{LogForm::json, {}, 1024});
  const LogFormat mine{LogForm::json, {LogField::user_agent, LogField::id}, 100};
  CHECK(conf_with(
            "log_format mine json user_agent id\nmax_log_value_size 100\naccess_log stdout mine")
            ->access_log.format == mine);
  CHECK(conf_with(
            "access_log stdout mine\nlog_format mine json user_agent id\nmax_log_value_size 100")
            ->access_log.format == mine);
  CHECK(conf_with("log_format a.b-c_1 text id\naccess_log off a.b-c_1")->access_log.format.fields ==
        Fields{LogField::id});
}

TEST_CASE("conf logs: a format that is not there, twice there or named for nothing") {
  CHECK(errors_with("access_log stdout jsn") ==
        "1: access_log: there is no log_format \"jsn\", did you mean \"json\"? There are text, "
        "json\n");
  CHECK(errors_with("log_format mine text id\naccess_log stdout other") ==
        "2: access_log: there is no log_format \"other\"; there are text, json, mine\n");
  CHECK(errors_with("access_log stdout mine json\nlog_format mine text id") ==
        "1: access_log: \"json\": the format is given already, \"mine\"\n");
  CHECK(errors_with("access_log stdout m\nlog_format m text id\nlog_format m json id") ==
        "3: log_format: \"m\" is already given on line 2\n");
  CHECK(errors_with("log_format json text id") ==
        "1: log_format: \"json\" is built in; give this one another name\n");
  CHECK(errors_with("log_format a=b text id") ==
        "1: log_format: \"a=b\" is not a name for a format; it has letters, digits, _, - and . "
        "alone\n");
  // A format whose line is wrong is not missed as well.
  CHECK(errors_with("access_log stdout mine\nlog_format mine text id id") ==
        "2: log_format: \"id\" is named twice\n");
  CHECK(warning_of("log_format mine text id") == "1: log_format \"mine\" is used by no access_log");
}

TEST_CASE("conf logs: fields, and what others call them") {
  const auto told = [](const std::string& field) {
    const std::string errors = errors_with("log_format m text " + field);
    return errors.substr(errors.find(": ", 3) + 2);
  };
  CHECK(told("user_agnet") == "\"user_agnet\" is no field, did you mean \"user_agent\"?\n");
  CHECK(told("$remote_addr") == "\"$remote_addr\" is no field, did you mean \"client\"?\n");
  CHECK(told("$http_user_agent") ==
        "\"$http_user_agent\" is no field, did you mean \"user_agent\"?\n");
  CHECK(told("User-Agent") == "\"User-Agent\" is no field, did you mean \"user_agent\"?\n");
  CHECK(told("$status") == "\"$status\" is no field, did you mean \"status\"?\n");
  CHECK(told("time") == "\"time\": each line begins with its time and event anyway\n");
  CHECK(told("id id") == "\"id\" is named twice\n");
  const std::string all = told("nonsense");
  CHECK(all.starts_with("\"nonsense\" is no field; there are id, client, listener, "));
  CHECK(all.ends_with(", reason, detail\n"));
  CHECK(errors_with("log_format main \"$remote_addr [$time_local]\"") ==
        "1: log_format takes at least 3 arguments (NAME text|json FIELD...), not 2; lines are made "
        "of fields, as in log_format NAME json client host user_agent\n");
  CHECK(errors_with("log_format m escape=json id") ==
        "1: log_format: \"escape=json\" is neither text nor json; behind the name comes one of "
        "them, then fields; lines are made of fields, as in log_format NAME json client host "
        "user_agent\n");
}

TEST_CASE("conf logs: the error log's level and form, in either order") {
  const std::unique_ptr<Config> config = conf_with("error_log stdout json warn");
  CHECK(config->error_log.level == LogLevel::warn);
  CHECK(config->error_log.format.form == LogForm::json);
  CHECK(conf_with("error_log stdout warn json")->error_log.format.form == LogForm::json);
  CHECK(conf_with("error_log stdout warn")->error_log.format.form == LogForm::text);
  CHECK(conf_with("error_log stdout json")->error_log.level == LogLevel::info);
  CHECK(errors_with("error_log stdout warn info") ==
        "1: error_log: \"info\": a level is given already\n");
  CHECK(errors_with("error_log stdout json text") ==
        "1: error_log: \"text\": its form is given already\n");
  CHECK(errors_with("error_log stdout jsno") ==
        "1: error_log: \"jsno\" is not a level (debug, info, notice, warn, error), did you mean "
        "\"json\"?\n");
}

TEST_CASE("conf logs: syslog over a unix socket and over UDP") {
  std::unique_ptr<Config> config = conf_with("access_log syslog:unix:/dev/log");
  REQUIRE(config->access_log.syslog);
  CHECK(config->access_log.path == "syslog:unix:/dev/log");
  CHECK(config->access_log.syslog->address.text() == "unix:/dev/log");
  CHECK(config->access_log.syslog->facility == 23);
  CHECK(config->access_log.syslog->tag == "sluice");
  config = conf_with("access_log syslog:udp:192.0.2.1:5514 facility=daemon json tag=edge");
  CHECK(config->access_log.syslog->address.text() == "192.0.2.1:5514");
  CHECK(config->access_log.syslog->facility == 3);
  CHECK(config->access_log.syslog->tag == "edge");
  CHECK(config->access_log.format.form == LogForm::json);
  config = conf_with("error_log syslog:udp:[2001:db8::1] warn facility=local0");
  CHECK(config->error_log.syslog->address.text() == "[2001:db8::1]:514");
  CHECK(config->error_log.syslog->facility == 16);
  CHECK(config->error_log.level == LogLevel::warn);
  CHECK(conf_with("error_log syslog:udp:192.0.2.1")->error_log.syslog->address.port() == 514);
}

TEST_CASE("conf logs: syslog's near misses") {
  const std::string write = "; write syslog:unix:/dev/log or syslog:udp:127.0.0.1:514\n";
  CHECK(errors_with("access_log syslog:dev/log") ==
        "1: access_log: \"syslog:dev/log\" names neither unix:PATH nor udp:IP:PORT" + write);
  CHECK(errors_with("access_log syslog:unix:log") ==
        "1: access_log: \"syslog:unix:log\": the socket's path does not begin with /" + write);
  for (const std::string place : {"logs.example:514", "127.0.0.1:0", "unix:/dev/log", "", "514"}) {
    CHECK(errors_with("access_log syslog:udp:" + place) ==
          "1: access_log: \"syslog:udp:" + place +
              "\": behind udp: stands an IP address with a port" + write);
  }
  CHECK(errors_with("access_log syslog:unix:/dev/log facility=dæmon")
            .starts_with("1: access_log: \"facility=dæmon\" is not facility=NAME"));
  CHECK(errors_with("access_log syslog:unix:/dev/log facility=local9")
            .ends_with(", did you mean \"local0\"?\n"));
  CHECK(errors_with("access_log syslog:unix:/dev/log tag=")
            .starts_with("1: access_log: \"tag=\" is not tag=NAME"));
  CHECK(errors_with("access_log syslog:unix:/dev/log fcility=daemon") ==
        "1: access_log: \"fcility=daemon\" is neither facility=NAME nor tag=NAME, did you mean "
        "\"facility\"?\n");
  CHECK(errors_with("access_log stdout tag=x") ==
        "1: access_log: \"tag=x\" is for syslog alone, as in syslog:unix:/dev/log tag=x\n");
  CHECK(
      errors_with("access_log syslog:server=unix:/dev/log,facility=local3,nohostname,tag=a main") ==
      "1: access_log: \"syslog:server=unix:/dev/log,facility=local3,nohostname,tag=a\" of nginx; "
      "here it is access_log syslog:unix:/dev/log facility=local3 tag=a\n");
  CHECK(errors_with("error_log syslog:server=[::1]:5140,severity=info debug") ==
        "1: error_log: \"syslog:server=[::1]:5140,severity=info\" of nginx; here it is error_log "
        "syslog:udp:[::1]:5140\n");
}

TEST_CASE("conf logs: what is masked where queries are logged") {
  CHECK(conf_with("")->masked_parameters == default_masked_parameters());
  CHECK(conf_with("log_query on\nlog_mask off")->masked_parameters.empty());
  CHECK(conf_with("log_query on\nlog_mask pin,Token pin")->masked_parameters ==
        std::vector<std::string>{"pin", "token"});
  CHECK(warning_of("log_mask pin") == "1: log_mask: log_query is off, so that logs show no query");
  CHECK(errors_with("log_mask pin, token") ==
        "1: log_mask: \"pin,\" is not off or names of query parameters, as in token,api_key\n");
  CHECK(errors_with("log_mask pin off") == "1: log_mask: off stands alone\n");
  // The page tells the default that the program has.
  std::string names;
  for (const std::string& each : default_masked_parameters()) {
    names += names.empty() ? each : ", " + each;
  }
  for (const DirectiveHelp& row : directive_help()) {
    if (row.name != "log_mask") continue;
    CHECK(row.help.find("which is " + names + ".") != std::string_view::npos);
  }
}

TEST_CASE("conf logs: the printed conf leaves syslog's address as it is") {
  const TestFolder folder;
  const std::string file = folder.write(
      "a.conf", conf_of("access_log syslog:unix:/dev/log json\nerror_log error.log warn"));
  ConfOptions options;
  options.effective = true;
  const ConfOutcome outcome = load_file(file, options);
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.effective.find("\naccess_log syslog:unix:/dev/log json\n") != std::string::npos);
  CHECK(outcome.effective.find("\nerror_log " + folder.path() + "error.log warn\n") !=
        std::string::npos);
}
