// Admin client: answers as they come, and what is said where none does.
#include "core/process/admin_client.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "net/sys.h"
#include "net/sys_process.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

TEST_CASE("admin client: an answer's body, and what is none") {
  const auto answer = read_admin_reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(answer.ok);
  CHECK(answer.text == "{}");
  const auto chunked = read_admin_reply(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
  CHECK(chunked.ok);
  CHECK(chunked.text == "{}");
  CHECK(read_admin_reply("HTTP/1.1 200 OK\r\n\r\n{}").text == "{}");  // to its end
  const auto wrong = [](std::string_view bytes) {
    const AdminReply reply = read_admin_reply(bytes);
    CHECK(!reply.ok);
    return reply.text;
  };
  CHECK(wrong("") == "what answers there is no sluice");
  CHECK(wrong("SSH-2.0-x\r\n") == "what answers there is no sluice");
  CHECK(wrong("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}") == "the answer breaks off");
  CHECK(wrong("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") == "answered 404");
  CHECK(wrong("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").find("admin_allow") !=
        std::string::npos);
}

TEST_CASE("admin client: it asks and hears, also at an address that takes every one") {
  const testing::Descriptor listener = testing::listening_socket(testing::loopback());
  std::string request;
  std::thread server([&] {
    sys::wait_readable(listener.get(), testing::patience_ms);
    Address peer;
    const testing::Descriptor client(sys::accept(listener.get(), peer));
    while (request.find("\r\n\r\n") == std::string::npos) {
      sys::wait_readable(client.get(), testing::patience_ms);
      request += testing::recv_text(client.get());
    }
    testing::send_text(client.get(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    testing::send_text(client.get(), "x");
  });
  const uint16_t port = sys::local_address(listener.get()).port();
  const Address any = Address::from_ip("0.0.0.0", port).value();
  const AdminReply answer =
      ask_admin(any, "/status.json", sys::monotonic_ms() + testing::patience_ms);
  server.join();
  CHECK(answer.ok);
  CHECK(answer.text == "x");
  CHECK(request.starts_with("GET /status.json HTTP/1.1\r\nHost: localhost\r\n"));
}

TEST_CASE("admin client: nobody, and one who says nothing") {
  const testing::Descriptor bound = testing::bound_socket(testing::loopback());
  const AdminReply nobody =
      ask_admin(sys::local_address(bound.get()), "/", sys::monotonic_ms() + 10'000);
  CHECK(!nobody.ok);
  CHECK(nobody.text.find("nobody listens there") != std::string::npos);
  const testing::Descriptor silent = testing::listening_socket(testing::loopback());
  const AdminReply late =
      ask_admin(sys::local_address(silent.get()), "/", sys::monotonic_ms() + 50);
  CHECK(!late.ok);
  CHECK(late.text.find("timed out") != std::string::npos);
  const Address none = Address::from_unix_path("/nonexistent/admin.sock").value();
  CHECK(ask_admin(none, "/", sys::monotonic_ms() + 50).text.find("nobody listens there") !=
        std::string::npos);
}

}  // namespace
}  // namespace sluice
