// top: its options.
#include "core/process/top.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

std::string read(std::vector<const char*> words) {
  TopOptions options;
  options.conf = "default";
  const std::string wrong = read_top_options(words, options);
  if (!wrong.empty()) return "wrong: " + wrong;
  return options.conf + " " + std::to_string(options.interval_ms) + " " +
         std::to_string(options.sessions) + (options.once ? " once" : "") +
         (options.json ? " json" : "") + (options.help ? " help" : "");
}

TEST_CASE("top: options, with their values behind = or in the next word") {
  CHECK(read({}) == "default 1000 500");
  CHECK(read({"-c", "x.conf", "--once", "--json"}) == "x.conf 1000 500 once json");
  CHECK(read({"--interval", "2s", "--sessions=0"}) == "default 2000 0");
  CHECK(read({"--interval=100ms", "--sessions", "1000000"}) == "default 100 1000000");
  CHECK(read({"-h"}) == "default 1000 500 help");
  CHECK(read({"--json"}) == "wrong: --json goes with --once");
  CHECK(read({"-c"}) == "wrong: -c needs a value");
  CHECK(read({"--interval"}) == "wrong: --interval needs a value");
  CHECK(read({"--interval=99ms"}) == "wrong: --interval: 99ms is not from 100ms to 1h");
  CHECK(read({"--interval=2h"}).starts_with("wrong: "));
  CHECK(read({"--interval=x"}).starts_with("wrong: --interval: "));
  CHECK(read({"--sessions=-1"}).starts_with("wrong: --sessions: "));
  CHECK(read({"--sessions=1000001"}).starts_with("wrong: "));
  CHECK(read({"--twice"}) == "wrong: --twice: no such option");
  CHECK(read({"x"}) == "wrong: x: no such option");
}

}  // namespace
}  // namespace sluice
