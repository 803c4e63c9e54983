// The files that are made from the directive table, and the confs that come with sluice: they say
// what the program says, and they load.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/directives.h"
#include "tests/unit/conf_rows.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

const std::string source_dir = SLUICE_SOURCE_DIR;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  CAPTURE(path);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The line with its comment sign taken away where that stands right before a directive's name.
std::string uncommented(const std::string& line) {
  const size_t sign = line.find_first_not_of(' ');
  if (sign == std::string::npos || line[sign] != '#') return line;
  const std::string name = line.substr(sign + 1, line.find(' ', sign) - sign - 1);
  const auto help = directive_help();
  const bool known = std::any_of(help.begin(), help.end(),
                                 [&](const DirectiveHelp& row) { return row.name == name; });
  return known ? line.substr(0, sign) + line.substr(sign + 1) : line;
}

}  // namespace

// SLUICE_UPDATE=1 in the environment writes this file and the next anew.
TEST_CASE("conf reference: conf/reference.conf is what the directive table says") {
  if (std::getenv("SLUICE_UPDATE") != nullptr) {
    std::ofstream(source_dir + "/conf/reference.conf", std::ios::binary) << reference_conf();
  }
  CHECK(content_of(source_dir + "/conf/reference.conf") == reference_conf());
}

TEST_CASE("conf reference: conf/man/sluice.conf.5 is what the directive table says") {
  const std::string path = source_dir + "/conf/man/sluice.conf.5";
  const std::string page = manual_page();
  if (std::getenv("SLUICE_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << page;
  CHECK(content_of(path) == page);
  for (const DirectiveHelp& row : directive_help()) {
    CAPTURE(row.name);
    CHECK(page.find("\n.It Ic " + std::string(row.name) + " ") != std::string::npos);
  }
}

TEST_CASE("conf reference: it loads without errors or warnings, as it is") {
  const ConfOutcome outcome = load_file(source_dir + "/conf/reference.conf");
  CHECK(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
}

TEST_CASE("conf reference: every line of it is legal where it stands") {
  std::istringstream reference(reference_conf());
  std::string everything;
  size_t directives = 0;
  for (std::string line; std::getline(reference, line);) {
    const std::string plain = uncommented(line);
    CHECK(line.size() <= 100);
    if (!plain.empty() && plain.find_first_not_of(' ') != plain.find('#')) ++directives;
    // A route with an answer of its own leads nowhere else, nor does one that chooses.
    if (plain.starts_with("  return ")) everything += "route /replies\n";
    if (plain.starts_with("  upstream_by ")) everything += "route /chosen\n";
    everything += plain + "\n";
    // What stands there for TLS needs a server with TLS.
    if (plain.starts_with("  server ")) everything += "  server wss://127.0.0.1:9002\n";
  }
  CHECK(directives == directive_help().size());
  const TestFolder folder;
  write_tls_files(folder);
  CHECK(errors_of(load_file(folder.write("reference.conf", everything))) == "");
}

TEST_CASE("conf reference: README.md's conf to copy loads without errors or warnings") {
  const std::string readme = content_of(source_dir + "/README.md");
  const size_t heading = readme.find("## A conf to copy\n");
  REQUIRE(heading != std::string::npos);
  const size_t begin = readme.find("```\n", heading) + 4;
  const std::string conf = readme.substr(begin, readme.find("```", begin) - begin);
  const TestVariable token("CHAT_TOKEN", "t0ken");
  const ConfOutcome outcome = load_text(conf);
  CHECK(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
  REQUIRE(outcome.config != nullptr);
  CHECK(outcome.config->routes.size() == 2);
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

TEST_CASE("conf reference: sluice.conf and the examples load without errors or warnings") {
  const TestVariable token("CHAT_TOKEN", "t0ken");
  const TestFolder folder;
  write_tls_files(folder, "tls/");
  size_t examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir + "/conf/examples")) {
    CAPTURE(entry.path());
    CHECK(entry.path().extension() == ".conf");
    std::string content = content_of(entry.path().string());
    // Files that only a machine with certbot has.
    replace_all(content, "/etc/letsencrypt/live/www.example.org/fullchain.pem", "tls/site.pem");
    replace_all(content, "/etc/letsencrypt/live/www.example.org/privkey.pem", "tls/site.key");
    const std::string copy = folder.write(entry.path().filename().string(), content);
    const ConfOutcome outcome = load_file(copy);
    CHECK(errors_of(outcome) == "");
    CHECK(outcome.warnings.empty());
    ++examples;
  }
  CHECK(examples >= 4);
}

TEST_CASE("conf reference: sluice.conf is what `make run` counts on") {
  const ConfOutcome outcome = load_file(source_dir + "/conf/sluice.conf");
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
  const Config& config = *outcome.config;
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0].address.text() == "127.0.0.1:8080");
  REQUIRE(config.routes.size() == 1);
  CHECK(config.routes[0].path == "/");
  CHECK(config.upstreams.at(0).peers.at(0).name == "127.0.0.1:9001");
  CHECK(config.access_log.path == "off");  // its lines would bury how to try it
  CHECK(config.error_log.path == "stderr");
  CHECK(config.pid_file == "");
  CHECK_FALSE(config.control);
}

// A row is "| old | new | remark |"; what stands in `code` in its second cell is a directive.
TEST_CASE("conf reference: pages for who comes from elsewhere name directives that exist") {
  for (const char* name : {"nginx", "haproxy"}) {
    std::istringstream page(content_of(source_dir + "/conf/coming-from-" + name + ".md"));
    size_t named = 0;
    for (std::string line; std::getline(page, line);) {
      if (!line.starts_with("| `")) continue;
      const size_t begin = line.find(" | ") + 2;
      const std::string cell = line.substr(begin, line.find(" | ", begin) - begin);
      for (size_t at = cell.find('`'); at != std::string::npos; ++named) {
        const size_t end = cell.find('`', at + 1);
        const std::string directive = cell.substr(at + 1, end - at - 1);
        CAPTURE(line);
        CHECK(find_directive(directive) != nullptr);
        at = cell.find('`', end + 1);
      }
    }
    CHECK(named >= 20);
  }
}

TEST_CASE("conf reference: the chat example's secret comes from the environment alone") {
  const std::string path = source_dir + "/conf/examples/chat.conf";
  CHECK(errors_of(load_file(path)).find("${env:CHAT_TOKEN}: the environment variable is not set") !=
        std::string::npos);
  const TestVariable token("CHAT_TOKEN", "t0ken");
  const ConfOutcome outcome = load_file(path);
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.config->routes.at(0).set_headers.at(0).value == "Bearer t0ken");
}
