// URIs: what is taken apart, and what a stranger may not put into a target or a Host.
#include "protocol/uri.h"

#include <doctest/doctest.h>

#include <string>

namespace sluice {
namespace {

TEST_CASE("authorities are host and port") {
  const auto check = [](std::string_view text, std::string_view host, int port) {
    CAPTURE(text);
    const Result<Authority> authority = parse_authority(text);
    REQUIRE(authority.ok());
    CHECK(authority.value().host == host);
    CHECK(authority.value().port == port);
  };
  check("example.org", "example.org", 0);
  check("example.org:8080", "example.org", 8080);
  check("example.org:", "example.org", 0);  // RFC 3986 3.2.3: the port may be empty
  check("10.0.0.1:65535", "10.0.0.1", 65535);
  check("[::1]", "[::1]", 0);
  check("[2001:db8::1]:443", "[2001:db8::1]", 443);
  check("under_score", "under_score", 0);
}

TEST_CASE("what is no authority") {
  for (const std::string_view text : {"",
                                      ":80",
                                      "user@host",
                                      "user:secret@host:80",
                                      "a b",
                                      "host:65536",
                                      "host:8a",
                                      "host:-1",
                                      "::1",
                                      "[::1",
                                      "[::1]x",
                                      "[host]",
                                      "[]",
                                      "host/path",
                                      "host?x",
                                      "host#x",
                                      "h\xc3\xb6st",
                                      "a,b:80:90",
                                      "host\\x",
                                      "<host>"}) {
    CAPTURE(text);
    CHECK(!parse_authority(text).ok());
  }
}

TEST_CASE("targets are path and query, or a whole URI") {
  const auto check = [](std::string_view text, std::string_view authority, std::string_view path,
                        std::string_view query) {
    CAPTURE(text);
    const Result<RequestTarget> target = parse_request_target(text);
    REQUIRE(target.ok());
    CHECK(target.value().authority == authority);
    CHECK(target.value().path == path);
    CHECK(target.value().query == query);
  };
  check("/", "", "/", "");
  check("/chat/room?a=1&b=%zz", "", "/chat/room", "?a=1&b=%zz");
  check("/?", "", "/", "?");
  check("//double//", "", "//double//", "");
  check("/%41%7e%25", "", "/%41%7e%25", "");
  check("/.hidden/..file/...", "", "/.hidden/..file/...", "");
  check("/a;b=..;c/;/x..;", "", "/a;b=..;c/;/x..;", "");
  check("/a%2Fb%5c\\c", "", "/a%2Fb%5c\\c", "");
  check("/q?[]={}|\\^`'", "", "/q", "?[]={}|\\^`'");  // browsers leave these as they are
  check("http://host", "host", "/", "");
  check("WS://host:81?x", "host:81", "/", "?x");
  check("https://[::1]/a", "[::1]", "/a", "");
}

TEST_CASE("what is no target") {
  for (const std::string_view text : {"",
                                      "*",
                                      "host:80",
                                      "chat",
                                      "ftp://host/",
                                      "http://",
                                      "http:///x",
                                      "http://u@host/",
                                      "/a#b",
                                      "/#",
                                      "/a b",
                                      "/\x01",
                                      "/\x7f",
                                      "/\xff",
                                      "/<",
                                      "/\"",
                                      "/`",
                                      "/{",
                                      "/?<",
                                      "/?\xc3",
                                      "/%",
                                      "/%4",
                                      "/%4g",
                                      "/%00",
                                      "/a%00b",
                                      "/.",
                                      "/..",
                                      "/./a",
                                      "/a/..",
                                      "/a/../b",
                                      "/%2e",
                                      "/%2E%2e/x",
                                      "/.%2e",
                                      "/a/%2e/b",
                                      "/a%2f..%2fb",
                                      "/..%5cb",
                                      "/a\\..",
                                      "/.\\b",
                                      "/x/..;/admin",
                                      "/x/..;a=b/admin",
                                      "/x/.;",
                                      "/x/%2e%2e%3Bv=1/admin",
                                      "/x/.;%2fy"}) {
    CAPTURE(text);
    CHECK(!parse_request_target(text).ok());
  }
  CHECK(!parse_request_target(std::string_view("/a\0b", 4)).ok());
}

TEST_CASE("a path has two readings") {
  const auto check = [](std::string_view path, std::string_view normal, std::string_view decoded) {
    CAPTURE(path);
    CHECK(normal_path(path) == normal);
    CHECK(decoded_path(path) == decoded);
    CHECK(normal_path(normal) == normal);
  };
  check("/", "/", "/");
  check("/a/b/", "/a/b/", "/a/b/");
  check("/%61%7E%2d%2E%5f", "/a~-._", "/a~-._");
  check("/%c3%a9%2f%5c", "/%C3%A9%2F%5C", "/\xc3\xa9/");
  check("/a%2fb", "/a%2Fb", "/a/b");
  check("/a\\b", "/a\\b", "/a/b");
  check("//a///b//", "//a///b//", "/a/b/");
  check("/a/%2F\\%5c/b", "/a/%2F\\%5C/b", "/a/b");
  check("/%2541", "/%2541", "/%41");  // once, not twice
  check("/a%3Bb;c%40", "/a%3Bb;c%40", "/a;b;c@");
}

TEST_CASE("a prefix of a path's normal form is found in its spelling") {
  CHECK(spelled_bytes("/socket/x", 7) == 7);
  CHECK(spelled_bytes("/%73ocket/x", 7) == 9);
  CHECK(spelled_bytes("/%c3%a9/x", 7) == 7);
  CHECK(spelled_bytes("/%61", 2) == 4);
  CHECK(spelled_bytes("/a", 0) == 0);
}

TEST_CASE("server URIs of a conf") {
  const auto parse = [](std::string_view text) {
    CAPTURE(text);
    const Result<ServerUri> uri = parse_server_uri(text);
    REQUIRE(uri.ok());
    return uri.value();
  };
  const ServerUri plain = parse("ws://10.0.0.1:4000/socket");
  CHECK(!plain.secure);
  CHECK(plain.host == "10.0.0.1");
  CHECK(plain.port == 4000);
  CHECK(plain.authority == "10.0.0.1:4000");
  CHECK(plain.path == "/socket");

  CHECK(parse("ws://host").port == 80);
  CHECK(parse("ws://host:80/").authority == "host");
  CHECK(parse("ws://host").path.empty());  // differs from "/"
  CHECK(parse("ws://host/").path == "/");
  const ServerUri secure = parse("wss://[2001:db8::1]/mqtt");
  CHECK(secure.secure);
  CHECK(secure.port == 443);
  CHECK(secure.host == "2001:db8::1");
  CHECK(secure.authority == "[2001:db8::1]");
  CHECK(parse("wss://host:80").authority == "host:80");

  const ServerUri local = parse("ws://unix:/run/x.sock:/path");
  CHECK(local.unix_path == "/run/x.sock");
  CHECK(local.path == "/path");
  CHECK(local.authority == "localhost");
  CHECK(parse("ws://unix:/run/x.sock").path.empty());

  // Users of nginx write these; they are dialled alike.
  CHECK(parse("http://10.0.0.1:4000/socket") == plain);
  CHECK(parse("HTTPS://[2001:db8::1]/mqtt") == secure);
  CHECK(parse("http://unix:/run/x.sock:/path") == local);
  CHECK(parse("https://host").port == 443);
  CHECK(parse("srv+https://_x._tcp.a.example") == parse("srv+wss://_x._tcp.a.example"));
  CHECK(text_of(parse("http://host:80/a")) == "ws://host/a");
  CHECK(text_of(parse("https://host")) == "wss://host");

  for (const std::string_view text :
       {"", "http:/host", "http://", "https:host", "h2c://host", "srv+ftp://host", "ws:/host",
        "ws://", "ws://:80", "ws://u:p@host", "ws://host:99999", "ws://host/?a=b", "ws://host?a",
        "ws://host/#x", "ws://host/../x", "ws://unix:", "ws://unix:x", "ws://unix:/x.sock:path",
        "ws://host/a b"}) {
    CAPTURE(text);
    CHECK(!parse_server_uri(text).ok());
  }
}

}  // namespace
}  // namespace sluice
