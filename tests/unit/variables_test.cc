// What variables stand for in a request, and where they have no value.
#include "core/session/variables.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

#include "protocol/handshake.h"

using namespace sluice;

namespace {

struct World {
  Head head;
  UpgradeRequest request;
  RequestFacts facts;

  World() {
    request.target.path = "/a%20b";
    request.target.query = "?x=1&y";
    request.host = "Chat.Example";
    facts.head = &head;
    facts.request = &request;
    facts.remote_addr = "::1";
    facts.remote_port = 4711;
    facts.scheme = "http";
    facts.request_id = "7f-1";
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void field(std::string_view name, std::string_view value) {
    head.fields.push_back({name, value});
  }
  // "(none)" where there is no value.
  std::string value(Variable variable, std::string_view name = "") const {
    return value_of(variable, name, facts).value_or("(none)");
  }
};

}  // namespace

TEST_CASE("variables: of the client and of the request") {
  World world;
  CHECK(world.value(Variable::remote_addr) == "::1");
  CHECK(world.value(Variable::remote_port) == "4711");
  CHECK(world.value(Variable::host) == "chat.example");
  CHECK(world.value(Variable::path) == "/a%20b");
  CHECK(world.value(Variable::query) == "x=1&y");
  CHECK(world.value(Variable::request_uri) == "/a%20b?x=1&y");
  CHECK(world.value(Variable::scheme) == "http");
  CHECK(world.value(Variable::request_id) == "7f-1");
  CHECK(world.value(Variable::remote_user) == "(none)");
  world.facts.remote_user = "ann";
  CHECK(world.value(Variable::remote_user) == "ann");
  world.request.target.query = "";
  CHECK(world.value(Variable::query) == "");
  CHECK(world.value(Variable::request_uri) == "/a%20b");
  world.request.target.query = "?";
  CHECK(world.value(Variable::query) == "");
}

TEST_CASE("variables: parameters of the query, as they came") {
  World world;
  world.request.target.query = "?room=7&token=a%20b&empty=&bare&room=8&roomy=9";
  CHECK(world.value(Variable::query_parameter, "room") == "7");
  CHECK(world.value(Variable::query_parameter, "roomy") == "9");
  CHECK(world.value(Variable::query_parameter, "token") == "a%20b");
  CHECK(world.value(Variable::query_parameter, "empty") == "");
  CHECK(world.value(Variable::query_parameter, "bare") == "");
  CHECK(world.value(Variable::query_parameter, "oom") == "(none)");
  CHECK(world.value(Variable::query_parameter, "ROOM") == "(none)");
  world.request.target.query = "";
  CHECK(world.value(Variable::query_parameter, "room") == "(none)");
}

TEST_CASE("variables: a client at a unix socket has neither address nor port") {
  World world;
  world.facts.remote_addr = "";
  world.facts.remote_port = 0;
  CHECK(world.value(Variable::remote_addr) == "(none)");
  CHECK(world.value(Variable::remote_port) == "(none)");
}

TEST_CASE("variables: fields of the request") {
  World world;
  world.field("X-Token", "one");
  world.field("X_Other", "a stranger's");
  world.field("x-token", "two");
  world.field("X-Empty", "");
  world.field("Cookie", "a=1");
  world.field("Cookie", "b=2");
  CHECK(world.value(Variable::http, "x_token") == "one, two");
  CHECK(world.value(Variable::http, "X_TOKEN") == "one, two");
  CHECK(world.value(Variable::http, "x_other") == "(none)");
  CHECK(world.value(Variable::http, "x_tok") == "(none)");
  CHECK(world.value(Variable::http, "x_empty") == "");
  CHECK(world.value(Variable::http, "cookie") == "a=1; b=2");
  CHECK(world.value(Variable::http, "Cookie") == "a=1; b=2");
}

TEST_CASE("variables: cookies") {
  struct Row {
    std::string_view cookie;
    std::string_view name;
    std::string_view value;
  };
  const Row rows[] = {
      {"a=1", "a", "1"},
      {"a=1; b=2", "b", "2"},
      {"a=1;b=2", "b", "2"},
      {"a=1; a=2", "a", "1"},
      {"a=1", "A", "(none)"},
      {"aa=1", "a", "(none)"},
      {"a=", "a", ""},
      {"a", "a", "(none)"},
      {"", "a", "(none)"},
      {";;a=1;", "a", "1"},
      {"a=b=c", "a", "b=c"},
      {"x=a=1", "a", "(none)"},
      {"a=\"1 2\"", "a", "\"1 2\""},
      {" a=1 ; b=2 ", "b", "2"},
      {"x; a=1", "a", "1"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.cookie);
    World world;
    world.field("cookie", row.cookie);
    CHECK(world.value(Variable::cookie, row.name) == row.value);
  }
  World several;
  several.field("Cookie", "a=1");
  several.field("Cookie", "b=2");
  CHECK(several.value(Variable::cookie, "b") == "2");
  CHECK(World().value(Variable::cookie, "a") == "(none)");
}

TEST_CASE("variables: of TLS there is none without TLS") {
  const World world;
  for (const Variable variable : {Variable::tls_client_subject, Variable::tls_version,
                                  Variable::tls_cipher, Variable::tls_server_name}) {
    CHECK(world.value(variable) == "(none)");
  }
}

TEST_CASE("variables: half a value is none") {
  HeaderValue value("<");
  value.add(Variable::remote_addr, "");
  value.add(Variable::text, "|");
  value.add(Variable::cookie, "a");
  value.add(Variable::text, ">");
  World world;
  const auto filled = [&] {
    return value.filled([&world](Variable variable, std::string_view name) {
      return value_of(variable, name, world.facts);
    });
  };
  CHECK(filled() == std::nullopt);
  world.field("Cookie", "a=1");
  CHECK(filled() == "<::1|1>");
  CHECK(HeaderValue().filled([](Variable, std::string_view) { return std::nullopt; }) == "");
}
