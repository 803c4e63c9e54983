// `return` in a conf: what a route answers by itself, and what is refused.
#include <doctest/doctest.h>

#include <string>

#include "core/conf/conf.h"
#include "tests/conf/memory_inputs.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

ConfOutcome loaded(const std::string& arguments) {
  MemoryInputs inputs;
  inputs.files["/x.conf"] = "listen 127.0.0.1:80\nroute /\nreturn " + arguments + "\n";
  inputs.files["/page.html"] = "<p>hello";
  inputs.files["/large"] = std::string((1 << 20) + 1, 'x');
  return load_conf("/x.conf", ConfOptions(), inputs);
}

Reply reply_of(const std::string& arguments) {
  const ConfOutcome outcome = loaded(arguments);
  REQUIRE(outcome.config != nullptr);
  return *outcome.config->routes[0].reply;
}

std::string error_of(const std::string& arguments) {
  const ConfOutcome outcome = loaded(arguments);
  return outcome.errors.empty() ? "" : outcome.errors[0].text();
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("conf return: text, a file, a redirect, a status alone") {
  const Reply text = reply_of("200 \"all is well\"");
  CHECK(text.status == 200);
  CHECK(text.body == "all is well\n");
  CHECK(text.content_type == "text/plain; charset=utf-8");
  const Reply page = reply_of("200 file:/page.html");
  CHECK(page.body == "<p>hello");
  CHECK(page.content_type == "text/html; charset=utf-8");
  const Reply moved = reply_of("308 https://$host$path");
  CHECK(moved.status == 308);
  CHECK(moved.location.pieces().size() == 3);
  CHECK(moved.body.empty());
  const Reply gone = reply_of("410");
  CHECK(gone.status == 410);
  CHECK(gone.content_type.empty());
}

TEST_CASE("conf return: what is no answer is refused") {
  CHECK(holds(error_of("101"), "200 to 599"));
  CHECK(holds(error_of("ok"), "200 to 599"));
  CHECK(holds(error_of("302"), "redirects and needs a location"));
  CHECK(holds(error_of("204 text"), "has no body"));
  CHECK(holds(error_of("200 file:/nowhere"), "cannot be read"));
  CHECK(holds(error_of("200 file:/large"), "more than 1m"));
  CHECK(holds(error_of("200\nproxy_pass ws://127.0.0.1:1"), "has a proxy_pass as well"));
}
