// The texts of /etc/hosts and /etc/resolv.conf: what is taken of them, and what is left alone.
#include "core/keeper/name_files.h"

#include <doctest/doctest.h>

namespace sluice {
namespace {

std::string texts_of(const std::vector<Address>& addresses) {
  std::string texts;
  for (const Address& each : addresses) texts += (texts.empty() ? "" : " ") + each.text();
  return texts;
}

std::string hosts(const std::string& text, const std::string& name) {
  const HostAddresses found = parse_hosts(text, {name});
  if (found.empty()) return "";
  CHECK(found.size() == 1);
  CHECK(found.begin()->first == name);
  return texts_of(found.begin()->second);
}

TEST_CASE("hosts: names and aliases of all lines, in any case, each address once") {
  const std::string text =
      "127.0.0.1 localhost\n"
      "# 10.0.0.9 chat\n"
      "10.0.0.1\tchat.example.org  Chat # 10.0.0.8 chat\n"
      "  ::1 six chat\r\n"
      "10.0.0.1 chat\n"
      "10.0.0.2 other\n"
      "10.0.0.3 CHAT";
  CHECK(hosts(text, "chat") == "10.0.0.1:0 [::1]:0 10.0.0.3:0");
  CHECK(hosts(text, "chat.example.org") == "10.0.0.1:0");
  CHECK(hosts(text, "six") == "[::1]:0");
  CHECK(hosts(text, "cha") == "");
  CHECK(hosts(text, "10.0.0.8") == "");
  CHECK(hosts("", "chat") == "");
  CHECK(parse_hosts(text, {"chat", "other", "missing"}).size() == 2);
  CHECK(parse_hosts(text, {}).empty());
}

TEST_CASE("hosts: lines that make no sense are skipped") {
  CHECK(hosts("chat 10.0.0.1\nfe80::1%eth0 chat\n10.0.0 chat\n\n \n#\n10.0.0.7", "chat") == "");
  CHECK(hosts("10.0.0.5\n10.0.0.6 chat\n", "chat") == "10.0.0.6:0");
  const std::string zero("10.0.0.1\0 chat\n10.0.0.2 chat\n", 30);
  CHECK(hosts(zero, "chat") == "10.0.0.2:0");
  CHECK(hosts("10.0.0.1 " + std::string(300, 'a'), std::string(300, 'a')) == "");
}

TEST_CASE("resolv.conf: without a word of it, this machine's own server is asked") {
  for (const char* text : {"", "\n\n", "# nameserver 10.0.0.1\n", "nameserver\n", "unknown 1\n",
                           " nameserver 10.0.0.1\n", "options ndots: timeout:x attempts\n"}) {
    CAPTURE(text);
    const ResolverFile file = parse_resolver_file(text);
    CHECK(texts_of(file.servers) == "127.0.0.1:53");
    CHECK(file.domains.empty());
    CHECK(file.ndots == 1);
    CHECK(file.timeout_s == 5);
    CHECK(file.attempts == 2);
    CHECK_FALSE(file.rotate);
  }
}

TEST_CASE("resolv.conf: name servers, domains and options") {
  const ResolverFile file = parse_resolver_file(
      "; made by hand\n"
      "domain first.test\n"
      "nameserver 10.0.0.1 # the near one\n"
      "nameserver\t2001:db8::1\r\n"
      "search Svc.Cluster.Local cluster.local. . \n"
      "options ndots:5 timeout:2\n"
      "options attempts:3 rotate edns0 ndotsx:1");
  CHECK(texts_of(file.servers) == "10.0.0.1:53 [2001:db8::1]:53");
  CHECK(file.domains == std::vector<std::string>{"svc.cluster.local", "cluster.local"});
  CHECK(file.ndots == 5);
  CHECK(file.timeout_s == 2);
  CHECK(file.attempts == 3);
  CHECK(file.rotate);
  CHECK(file.notes.empty());
}

TEST_CASE("resolv.conf: what is out of its bounds is brought within them, or noted") {
  const ResolverFile file = parse_resolver_file(
      "nameserver fe80::1%eth0\nnameserver here\n"
      "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n"
      "options ndots:99 timeout:0 attempts:99999999999999999999\nsearch a b\ndomain c d\n");
  CHECK(texts_of(file.servers) == "10.0.0.1:53 10.0.0.2:53 10.0.0.3:53");
  CHECK(file.ndots == 15);
  CHECK(file.timeout_s == 1);
  CHECK(file.attempts == 5);
  CHECK(file.domains == std::vector<std::string>{"c"});
  REQUIRE(file.notes.size() == 3);
  CHECK(file.notes[0].starts_with("\"nameserver fe80::1%eth0\": "));
  CHECK(file.notes[0].ends_with("resolver may name one without"));
  CHECK(file.notes[1] == "\"nameserver here\": no IP address: this name server is not asked");
  CHECK(file.notes[2].starts_with("\"nameserver 10.0.0.4\": "));
}

TEST_CASE("resolv.conf: domains and notes are bounded") {
  std::string text = "search";
  for (int i = 0; i < 100; ++i) text += " d" + std::to_string(i);
  text += "\n";
  for (int i = 0; i < 100; ++i) text += "nameserver x\n";
  const ResolverFile file = parse_resolver_file(text + "\nsearch " + std::string(300, 'a'));
  CHECK(file.domains.empty());
  CHECK(file.notes.size() == 4);
  CHECK(parse_resolver_file(text).domains.size() == ResolverFile::most_domains);
}

}  // namespace
}  // namespace sluice
