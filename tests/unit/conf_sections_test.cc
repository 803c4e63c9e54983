// What a conf's sections say together: addresses, names, inheritance, headers, and what is refused
// or warned of once all lines are read.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/conf.h"
#include "tests/unit/conf_testing.h"

using namespace sluice;
using namespace sluice::testing;

namespace {

// The one error of a conf with `line` in its route, or "" where it is good.
std::string error_in_route(const std::string& line) {
  return errors_in("listen 127.0.0.1:8080\nroute /\nproxy_pass ws://127.0.0.1:1\n" + line);
}

std::string headers_of(const RouteConfig& route) {
  std::string all;
  for (const HeaderSetting& header : route.set_headers) {
    all += header.name + "=" + text_of(header.value) + " ";
  }
  all += "-";
  for (const std::string& name : route.remove_headers) all += " " + name;
  return all;
}

// The Config of `lines` with a route's path in it: its server is given by `uri`.
PeerConfig only_peer(const std::string& uri) {
  const auto config = good("listen 127.0.0.1:8080\nroute /\nproxy_pass " + uri + "\n");
  REQUIRE(config->upstreams.at(0).peers.size() == 1);
  return config->upstreams[0].peers[0];
}

}  // namespace

TEST_CASE("conf sections: addresses to listen on") {
  struct Row {
    std::string_view given;
    std::string_view text;
  };
  const Row rows[] = {{"8080", "0.0.0.0:8080"},
                      {":8080", "0.0.0.0:8080"},
                      {"65535", "0.0.0.0:65535"},
                      {"127.0.0.1:1", "127.0.0.1:1"},
                      {"[::]:8080", "[::]:8080"},
                      {"[0:0::1]:8080", "[::1]:8080"},
                      {"unix:/run/x.sock", "unix:/run/x.sock"}};
  for (const Row& row : rows) {
    CAPTURE(row.given);
    const auto config = good("listen " + std::string(row.given) + "\n" + std::string(route_9001));
    REQUIRE(config->listeners.size() == 1);
    CHECK(config->listeners[0].address.text() == row.text);
  }
}

TEST_CASE("conf sections: addresses that nobody can listen on") {
  struct Row {
    std::string_view given;
    std::string_view why;
  };
  const std::string_view forms = "; write PORT, IP:PORT, [IPV6]:PORT or unix:/PATH";
  const Row rows[] = {
      {"127.0.0.1", " is not an address (no port)"},
      {"127.0.0.1:65536", " is not an address (the port is not a number up to 65535)"},
      {"99999", " is not an address (the port is not a number up to 65535)"},
      {"::1:8080", " is not an address (an IPv6 address must stand in brackets)"},
      {"unix:", " is not an address (no path behind unix:)"},
      {"0", ": the port must be 1 to 65535"},
      {"127.0.0.1:0", ": the port must be 1 to 65535"},
      {"unix:x.sock", ": the path of a unix socket begins with /"},
  };
  for (const Row& row : rows) {
    std::string wanted = "1: listen: \"" + std::string(row.given) + '"' + std::string(row.why);
    if (row.why.find('(') != std::string_view::npos) wanted += forms;
    CHECK(errors_in("listen " + std::string(row.given) + "\n" + std::string(route_9001)) ==
          wanted + "\n");
  }
}

TEST_CASE("conf sections: two listeners do not overlap") {
  struct Row {
    std::string_view first;
    std::string_view second;
    std::string_view what;  // the second does to the first, "" for nothing
  };
  const std::string_view covered = "is already covered by", wider = "covers";
  const Row rows[] = {
      {"8080", "8080", covered},
      {"8080", "0.0.0.0:8080", covered},
      {"8080", "127.0.0.1:8080", covered},
      {"127.0.0.1:8080", "8080", wider},
      {"[::1]:8080", "[::]:8080", wider},
      {"[::]:8080", "[::1]:8080", covered},
      {"[::1]:8080", "[0::1]:8080", covered},
      {"unix:/a", "unix:/a", covered},
      {"8080", "8081", ""},
      {"8080", "[::]:8080", ""},  // that one is for IPv6 only
      {"127.0.0.1:8080", "127.0.0.2:8080", ""},
      {"unix:/a", "unix:/b", ""},
  };
  for (const Row& row : rows) {
    const std::string first(row.first), second(row.second);
    CAPTURE(first);
    CAPTURE(second);
    const std::string errors =
        errors_in("listen " + first + "\nlisten " + second + "\n" + std::string(route_9001));
    CHECK(errors == (row.what.empty() ? ""
                                      : "2: listen \"" + second + "\" " + std::string(row.what) +
                                            " listen \"" + first + "\" on line 1\n"));
  }
}

TEST_CASE("conf sections: servers by URI") {
  struct Row {
    const char* given;
    const char* address;
    const char* authority;  // what Host would be with `host server`
    const char* path;
  };
  const Row rows[] = {
      {"ws://127.0.0.1:9001", "127.0.0.1:9001", "127.0.0.1:9001", ""},
      {"ws://127.0.0.1", "127.0.0.1:80", "127.0.0.1", ""},
      {"WS://127.0.0.1:80/", "127.0.0.1:80", "127.0.0.1", "/"},
      {"ws://[::1]:9001/a/b", "[::1]:9001", "[::1]:9001", "/a/b"},
      {"ws://unix:/run/x.sock", "unix:/run/x.sock", "localhost", ""},
      {"ws://unix:/run/x.sock:/a", "unix:/run/x.sock", "localhost", "/a"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.given);
    const PeerConfig peer = only_peer(row.given);
    CHECK(peer.address.text() == row.address);
    CHECK(peer.name == row.address);
    CHECK(peer.uri.authority == row.authority);
    CHECK(peer.uri.path == row.path);
    CHECK_FALSE(peer.uri.secure);
  }
}

TEST_CASE("conf sections: what is no server's URI") {
  struct Row {
    std::string_view given;
    std::string_view why;
  };
  const Row rows[] = {
      {"ws:127.0.0.1:9001", "it begins with none of ws://, wss://, http:// and https://"},
      {"ftp://127.0.0.1:9001", "it begins with none of ws://, wss://, http:// and https://"},
      {"ws://", "not a host"},
      {"ws:///path", "not a host"},
      {"ws://user@127.0.0.1", "userinfo before the host"},
      {"ws://127.0.0.1:70000", "the port is not a number up to 65535"},
      {"ws://127.0.0.1:x", "the port is not a number up to 65535"},
      {"ws://[::1", "not a host"},
      {"ws://127.0.0.1?x", "its path does not begin with /"},
      {"ws://127.0.0.1/a?x", "it has a query; the client's travels on"},
      {"ws://127.0.0.1/a/../b", "a dot segment"},
      {"ws://127.0.0.1/%00", "an escaped NUL"},
      {"ws://127.0.0.1/%zz", "a malformed %-escape"},
      {"ws://127.0.0.1/#x", "a fragment"},
      {"ws://unix:run/x.sock", "the socket's path does not begin with /"},
      {"ws://unix:/run/x.sock:a", "its path does not begin with /"},
  };
  for (const Row& row : rows) {
    CHECK(errors_in(conf_of("upstream up\nserver " + std::string(row.given))) ==
          "2: server: \"" + std::string(row.given) + "\" is not a server's URI (" +
              std::string(row.why) +
              "); write ws[s]://HOST:PORT/PATH or ws[s]://unix:/SOCKET:/PATH\n");
  }
  const std::string server = "2: server: \"";
  CHECK(errors_in(conf_of("upstream up\nserver ws://127.0.0.1:0")) ==
        server + "ws://127.0.0.1:0\": the port must be 1 to 65535\n");
  CHECK(errors_in(conf_of("upstream up\nserver ws://a..b:1")) ==
        server +
            "ws://a..b:1\": its host is no name: labels of 1 to 63 bytes, joined by "
            "dots, 253 in all\n");
  const std::string long_socket = "ws://unix:/" + std::string(80, 'x') + std::string(40, 'y');
  CHECK(errors_in(conf_of("upstream up\nserver " + long_socket)).find("too long") !=
        std::string::npos);
}

TEST_CASE(
    "conf sections: all servers of an upstream are peers, in order, all addresses of a name") {
  const auto config = good(
      "listen 127.0.0.1:8080\nupstream up\n server ws://127.0.0.2:1/a\n server ws://localhost:2\n"
      " server ws://127.0.0.1:3\nroute /\n proxy_pass up\n");
  const auto& peers = config->upstreams.at(0).peers;
  REQUIRE(peers.size() >= 3);
  CHECK(peers.front().name == "127.0.0.2:1");
  CHECK(peers.front().uri.path == "/a");
  CHECK(peers.back().name == "127.0.0.1:3");
  for (size_t i = 1; i + 1 < peers.size(); ++i) {
    CHECK(peers[i].address.port() == 2);
    CHECK(peers[i].uri.authority == "localhost:2");
  }
}

TEST_CASE("conf sections: names of upstreams") {
  const auto upstream = [](const std::string& name) {
    return "upstream \"" + name + "\"\n server ws://127.0.0.1:1";
  };
  CHECK(errors_in(conf_of(upstream("Chat_2.eu-1"))) == "");
  CHECK(errors_in(conf_of(upstream(std::string(64, 'x')))) == "");
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a/b"), std::string("a:b"),
        std::string("\xc3\xa4"), std::string(65, 'x')}) {
    CHECK(errors_in(conf_of(upstream(name))) ==
          "1: upstream: \"" + name +
              "\" is not a name: up to 64 letters, digits, \"-\", \"_\" and \".\"\n");
  }
  CHECK(errors_in(conf_of(upstream("a") + "\n" + upstream("A") + "\n" + upstream("a"))) ==
        "5: upstream \"a\" is already given on line 1\n");
}

TEST_CASE("conf sections: proxy_pass names an upstream, wherever that one stands, or a server") {
  const auto config = good(
      "listen 127.0.0.1:8080\nroute /late\n proxy_pass late\nroute /uri\n proxy_pass "
      "ws://127.0.0.1:1\n"
      "upstream early\n server ws://127.0.0.1:2\nroute /same\n proxy_pass ws://127.0.0.1:1\n"
      "upstream late\n server ws://127.0.0.1:3\nroute /other\n proxy_pass ws://127.0.0.1:1/x\n");
  REQUIRE(config->routes.size() == 4);
  const auto name = [&](size_t i) { return config->upstream(config->routes[i].upstream).name; };
  CHECK(name(0) == "late");
  CHECK(name(1) == "ws://127.0.0.1:1");
  // Routes that give the same URI share the turn of its peers.
  CHECK(config->routes[2].upstream == config->routes[1].upstream);
  CHECK(name(3) == "ws://127.0.0.1:1/x");
  CHECK(config->upstreams.size() == 4);
}

TEST_CASE("conf sections: proxy_pass that leads nowhere") {
  const auto errors = [](const std::string& target) {
    return errors_in(
        "listen 127.0.0.1:8080\nupstream chat\nserver ws://127.0.0.1:1\nroute /\nproxy_pass " +
        target);
  };
  const std::string neither =
      "\" is neither an upstream's name nor a server's URI; write ws[s]://HOST:PORT/PATH or "
      "ws[s]://unix:/SOCKET:/PATH\n";
  CHECK(errors("chat") == "");
  CHECK(errors("chta") == "5: proxy_pass: there is no upstream \"chta\", did you mean \"chat\"?\n");
  CHECK(errors("Chat") == "5: proxy_pass: there is no upstream \"Chat\", did you mean \"chat\"?\n");
  CHECK(errors("broker") == "5: proxy_pass: there is no upstream \"broker\"\n");
  CHECK(errors("127.0.0.1:x") == "5: proxy_pass: \"127.0.0.1:x" + neither);
  CHECK(errors("/chat") == "5: proxy_pass: \"/chat" + neither);
  CHECK(errors("\"\"") == "5: proxy_pass: \"" + neither);
  CHECK(errors("h2c://127.0.0.1")
            .find("(it begins with none of ws://, wss://, http:// and https://); write "
                  "http://127.0.0.1") != std::string::npos);
}

TEST_CASE("conf sections: an upstream's name in a URI, as nginx has it") {
  const auto errors = [](const std::string& target) {
    return errors_in(
        "listen 127.0.0.1:8080\nupstream chat\nserver ws://127.0.0.1:1\nroute /\nproxy_pass " +
        target);
  };
  for (const std::string target : {"http://chat", "https://chat/", "HTTP://chat:80/a"}) {
    CHECK(errors(target) == "5: proxy_pass: \"" + target +
                                "\" is a server's URI, and its host the name of upstream \"chat\" "
                                "on line 2; write proxy_pass chat (TLS and paths go into its "
                                "servers' URIs)\n");
  }
  // Whoever writes ws:// means a host, which may be called as the upstream that it is of.
  CHECK(errors("ws://chat") == "");
  CHECK(errors("http://chat.example") == "");
  CHECK(errors("http://127.0.0.1:1") == "");
}

TEST_CASE("conf sections: http:// is ws://, and https:// is wss://") {
  const auto config = good(
      "listen 127.0.0.1:8080\nupstream chat\nserver http://127.0.0.1:1/a\nserver "
      "https://127.0.0.1\n"
      "route /\nproxy_pass chat\nroute /b\nproxy_pass HTTP://127.0.0.1:2\n");
  const auto& servers = config->upstream(config->routes[0].upstream).peers;
  CHECK(text_of(servers.at(0).uri) == "ws://127.0.0.1:1/a");
  CHECK(text_of(servers.at(1).uri) == "wss://127.0.0.1");
  const UpstreamConfig& alone = config->upstream(config->routes[1].upstream);
  CHECK(text_of(alone.peers.at(0).uri) == "ws://127.0.0.1:2");
  CHECK(alone.tls == nullptr);
}

TEST_CASE("conf sections: paths of routes") {
  const auto path = [](const std::string& given) {
    return good("listen 127.0.0.1:8080\nroute " + given + "\nproxy_pass ws://127.0.0.1:1\n")
        ->routes.at(0)
        .path;
  };
  CHECK(path("/") == "/");
  CHECK(path("/a/") == "/a");
  CHECK(path("/a") == "/a");
  CHECK(path("/A/b%20c") == "/A/b%20c");
  const auto error = [](const std::string& given) {
    return errors_in("listen 127.0.0.1:8080\nroute " + given + "\nproxy_pass ws://127.0.0.1:1\n");
  };
  CHECK(error("socket") == "2: route: \"socket\" does not begin with /\n");
  CHECK(error("\"\"") == "2: route: \"\" does not begin with /\n");
  CHECK(error("/a/../b") == "2: route: \"/a/../b\" is not a path: a dot segment\n");
  CHECK(error("/%2e") == "2: route: \"/%2e\" is not a path: a dot segment\n");
  CHECK(error("/%00") == "2: route: \"/%00\" is not a path: an escaped NUL\n");
  for (const std::string twofold : {"//", "\\", "%2F", "%5C"}) {
    CHECK(error("/a" + twofold + "b") == "2: route: \"/a" + twofold + "b\" has two readings (" +
                                             twofold + "), so that no request can take it\n");
  }
  CHECK(error("/a#b") == "2: route: \"/a#b\" is not a path: a fragment\n");
  CHECK(error("/a?b") ==
        "2: route: \"/a?b\" is not a path: match_query looks at the query, a route does not\n");
  CHECK(error("\"/a b\"") == "2: route: \"/a b\" is not a path: a byte that no path may hold\n");
}

TEST_CASE("conf sections: one path may have several routes, in file order") {
  const auto outcome = load_text(
      "listen 127.0.0.1:8080\nroute /a\n match_header X-Beta\n proxy_pass ws://127.0.0.1:1\n"
      "route /a\n proxy_pass ws://127.0.0.1:2\nroute /\n proxy_pass ws://127.0.0.1:3\n");
  REQUIRE(errors_of(outcome) == "");
  CHECK(outcome.warnings.empty());
  REQUIRE(outcome.config->routes.size() == 3);
  CHECK(outcome.config->routes[0].match_headers.size() == 1);
  CHECK(outcome.config->routes[1].path == "/a");
  CHECK(outcome.config->routes[2].path == "/");
}

TEST_CASE("conf sections: a route wins over its upstream, that one over the top") {
  struct Row {
    std::string name;
    uint64_t (*read)(const RouteConfig&);
    uint64_t fallback;
  };
  const Row rows[] = {
      {"connect_timeout", [](const RouteConfig& r) -> uint64_t { return r.connect_timeout_ms; },
       5'000},
      {"handshake_timeout", [](const RouteConfig& r) -> uint64_t { return r.handshake_timeout_ms; },
       10'000},
      {"idle_timeout", [](const RouteConfig& r) -> uint64_t { return r.idle_timeout_ms; }, 600'000},
      {"send_timeout", [](const RouteConfig& r) -> uint64_t { return r.send_timeout_ms; }, 60'000},
      {"close_timeout", [](const RouteConfig& r) -> uint64_t { return r.close_timeout_ms; }, 5'000},
      {"max_message_size", [](const RouteConfig& r) { return r.max_message_bytes; }, 0},
      {"max_small_fragments",
       [](const RouteConfig& r) -> uint64_t { return r.max_small_fragments; }, 1024},
      {"control_frame_rate",
       [](const RouteConfig& r) -> uint64_t { return r.control_frame_rate.a_second; }, 100},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string unit = row.name.ends_with("_timeout") ? "ms" : "";
    for (int given = 0; given < 8; ++given) {
      const auto line = [&](int level, const char* value) {
        return (given & level) != 0 ? row.name + " " + value + unit + "\n" : std::string();
      };
      const auto config =
          good(line(1, "11") + "listen 127.0.0.1:8080\nupstream up\nserver ws://127.0.0.1:1\n" +
               line(2, "22") + "route /\nproxy_pass up\n" + line(4, "33"));
      const uint64_t wanted = (given & 4) != 0   ? 33
                              : (given & 2) != 0 ? 22
                              : (given & 1) != 0 ? 11
                                                 : row.fallback;
      CAPTURE(given);
      CHECK(row.read(config->routes[0]) == wanted);
    }
  }
}

TEST_CASE("conf sections: a listener's handshake_rate is its own, else the top's, with its burst") {
  const auto config = good(
      "handshake_rate 400/s\nlisten 127.0.0.1:8080\nlisten 8081\n handshake_rate 5/s\n"
      "listen 8082\n handshake_rate off\nlisten 8083\n handshake_rate 7/s burst=1000000\n"
      "route /\n proxy_pass ws://127.0.0.1:1\n");
  const RateLimit expected[] = {{400, 40}, {5, 1}, {0, 0}, {7, 1'000'000}};
  for (size_t i = 0; i < 4; ++i) {
    CAPTURE(i);
    CHECK(config->listeners[i].handshake_rate.a_second == expected[i].a_second);
    CHECK(config->listeners[i].handshake_rate.burst == expected[i].burst);
  }
}

TEST_CASE("conf sections: a section's setting is its own, and off can be said against the top") {
  const auto config = good(
      "idle_timeout 1s\nmax_message_size 1k\nvalidate_utf8 on\nclient_header_timeout 1s\n"
      "listen 127.0.0.1:8080\n client_header_timeout 2s\nlisten 8081\n"
      "route /a\n proxy_pass ws://127.0.0.1:1\n idle_timeout off\n max_message_size off\n"
      " validate_utf8 off\n host server\nroute /b\n proxy_pass ws://127.0.0.1:1\n");
  CHECK(config->listeners[0].client_header_timeout_ms == 2000);
  CHECK(config->listeners[1].client_header_timeout_ms == 1000);
  CHECK(config->routes[0].idle_timeout_ms == 0);
  CHECK(config->routes[0].max_message_bytes == 0);
  CHECK_FALSE(config->routes[0].validate_utf8);
  CHECK(config->routes[0].host.policy == HostPolicy::server);
  CHECK(config->routes[1].idle_timeout_ms == 1000);
  CHECK(config->routes[1].max_message_bytes == 1024);
  CHECK(config->routes[1].validate_utf8);
  CHECK(config->routes[1].host.policy == HostPolicy::by_scheme);
}

TEST_CASE("conf sections: a route's headers add to the top's, the same name overrides") {
  const auto config = good(
      "set_header X-A top\nset_header X-B top\nremove_header X-R\n"
      "remove_header X-S\nlisten 127.0.0.1:8080\n"
      "route /a\n proxy_pass ws://127.0.0.1:1\n set_header x-a mine\n set_header X-C mine\n"
      " remove_header x-r\n remove_header X-T\n"
      "route /b\n proxy_pass ws://127.0.0.1:1\n remove_header x-b\n"
      "route /c\n proxy_pass ws://127.0.0.1:1\n");
  CHECK(headers_of(config->routes[0]) == "X-B=top x-a=mine X-C=mine - x-r X-T X-S");
  CHECK(headers_of(config->routes[1]) == "X-A=top - x-b X-R X-S");
  CHECK(headers_of(config->routes[2]) == "X-A=top X-B=top - X-R X-S");
}

TEST_CASE("conf sections: a route's keep_header adds to the top's") {
  const auto config = good(
      "keep_header Forwarded\nkeep_header X-Real-IP\nlisten 127.0.0.1:8080\n"
      "route /a\n proxy_pass ws://127.0.0.1:1\n keep_header x-real-ip\n keep_header X_A\n"
      "route /b\n proxy_pass ws://127.0.0.1:1\n");
  CHECK(config->routes[0].keep_headers ==
        std::vector<std::string>{"x-real-ip", "X_A", "Forwarded"});
  CHECK(config->routes[1].keep_headers == std::vector<std::string>{"Forwarded", "X-Real-IP"});
  CHECK(error_in_route("keep_header Keep-Alive") ==
        "4: keep_header: \"Keep-Alive\" concerns one connection only and cannot be kept\n");
}

TEST_CASE("conf sections: headers that are sluice's own cannot be set") {
  for (const std::string directive : {"set_header", "remove_header", "keep_header"}) {
    const std::string value = directive == "set_header" ? " x" : "";
    for (const std::string name : {"Connection", "UPGRADE", "content-length", "Transfer-Encoding",
                                   "Sec-WebSocket-Key", "sec-websocket-anything"}) {
      CHECK(error_in_route(directive + " " + name + value) ==
            "4: " + directive + ": \"" + name +
                "\" belongs to the handshake and cannot be changed\n");
    }
    CHECK(error_in_route(directive + " host" + value) ==
          "4: " + directive + ": Host is chosen with the directive \"host\"\n");
    for (const std::string name : {"", "X A", "X:", "X\xc3\xa4", "(X)"}) {
      CHECK(error_in_route(directive + " \"" + name + "\"" + value) ==
            "4: " + directive + ": \"" + name +
                "\" is not a header's name; it has no blanks and no colon\n");
    }
    CHECK(error_in_route(directive + " X-A" + value + "\n" + directive + " x-a" + value) ==
          "5: " + directive + ": \"x-a\" is already given in this section\n");
  }
  const TestVariable bell("SLUICE_TEST_BELL", "a\x07");
  CHECK(error_in_route("set_header X-A ${env:SLUICE_TEST_BELL}") ==
        "4: set_header: the value \"${env:SLUICE_TEST_BELL}\" holds a control byte\n");
  CHECK(error_in_route("set_header X-A \"\"") == "");
}

TEST_CASE("conf sections: host and subprotocols") {
  CHECK(good(conf_of("", "", "host client"))->routes[0].host.policy == HostPolicy::client);
  CHECK(good(conf_of("", "", "host [::1]:80"))->routes[0].host.name == "[::1]:80");
  for (const std::string given : {"", "a b", "a/b", "user@x", "x:99999"}) {
    CHECK(error_in_route("host \"" + given + "\"") ==
          "4: host: \"" + given + "\" is neither client nor server nor a host's name\n");
  }
  const auto config = good("subprotocols a b\n" + conf_of("", "", "subprotocols c"));
  CHECK(config->routes[0].subprotocols == std::vector<std::string>{"c"});
  CHECK(error_in_route("subprotocols a \"b c\"") ==
        "4: subprotocols: \"b c\" is not a subprotocol's name; several are separated by blanks\n");
  CHECK(error_in_route("subprotocols a,b") ==
        "4: subprotocols: \"a,b\" is not a subprotocol's name; several are separated by blanks\n");
  CHECK(error_in_route("subprotocols a b a") == "4: subprotocols: \"a\" is given twice\n");
}
