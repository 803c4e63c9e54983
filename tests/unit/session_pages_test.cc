// Session pages: what a list says, which sessions it is of, how it is cut, and the one that is
// ended.
#include "core/process/session_pages.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/unit/relaying_testing.h"

namespace sluice {
namespace {

using By = SessionFilter::By;
using testing::RelayedSession;
using testing::RelayingWorker;

PageRequest all_of(uint32_t lines = 100) {
  PageRequest request;
  request.list = 7;
  request.lines = lines;
  return request;
}

size_t lines_in(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST_CASE("session pages: a line says what is known of a session") {
  RelayingWorker relaying;
  const RelayedSession session = relaying.relay("/b");
  const std::string hello = "\x81\x85\1\2\3\4igohn";
  testing::send_text(session.client.get(), hello);
  relaying.worker.await(session.peer, hello.size());
  const Page page = make_page(relaying.worker.context, all_of());
  CHECK(page.list == 7);
  CHECK(page.next == Page::last);
  CHECK(page.lines == 1);
  CHECK(page.text.starts_with("{\"id\":\"0-test-1\",\"client\":\"127.0.0.1:"));
  const std::string peer = relaying.worker.config().upstreams[1].peers[0].name;
  CHECK(page.text.find(",\"route\":\"/b\",\"peer\":\"" + peer + "\",\"age_ms\":") !=
        std::string::npos);
  CHECK(
      page.text.ends_with(",\"from_client\":{\"messages\":1,\"bytes\":11,\"queued\":0},"
                          "\"from_upstream\":{\"messages\":0,\"bytes\":0,\"queued\":0}}\n"));
}

TEST_CASE("session pages: filters, and those who do not relay are none") {
  RelayingWorker relaying;
  const auto a = relaying.relay_many(3);
  const auto b = relaying.relay_many(2, "/b");
  Handle silent;
  const testing::Descriptor waiting = relaying.worker.accept(silent);
  const auto count = [&](By by, const std::string& value, uint32_t id = 0) {
    PageRequest request = all_of();
    request.filter = {by, value};
    request.upstream = UpstreamId{id};
    request.listener = ListenerId{id};
    return make_page(relaying.worker.context, request).lines;
  };
  CHECK(count(By::all, "") == 5);
  CHECK(count(By::route, "/b") == 2);
  CHECK(count(By::route, "/c") == 0);
  const auto& upstreams = relaying.worker.config().upstreams;
  CHECK(count(By::upstream, "a", static_cast<uint32_t>(upstreams[0].id)) == 3);
  CHECK(count(By::client, "127.0.0.1") == 5);
  CHECK(count(By::client, sys::local_address(a[1].client.get()).text()) == 1);
  CHECK(count(By::client, "10.0.0.1") == 0);
  const auto listener = static_cast<uint32_t>(relaying.worker.config().listeners[0].id);
  CHECK(count(By::listener, "", listener) == 5);
  CHECK(count(By::listener, "", listener + 1) == 0);
  CHECK(count(By::id, "0-test-2") == 1);
  CHECK(count(By::id, "0-test-") == 0);
}

TEST_CASE("session pages: beyond the lines that are wanted sessions are counted") {
  RelayingWorker relaying;
  const auto sessions = relaying.relay_many(5);
  const Page page = make_page(relaying.worker.context, all_of(2));
  CHECK(page.lines == 2);
  CHECK(lines_in(page.text) == 2);
  CHECK(page.left_out == 3);
  CHECK(make_page(relaying.worker.context, all_of(0)).left_out == 5);
}

TEST_CASE("session pages: what has no room in a page stands in the next one, once") {
  RelayingWorker relaying;
  const auto sessions = relaying.relay_many(40);
  std::string text;
  PageRequest request = all_of();
  int pages = 0;
  for (;; ++pages) {
    const Page page = make_page(relaying.worker.context, request);
    CHECK(page.text.size() <= Page::most_text_bytes);
    CHECK(page.lines == lines_in(page.text));
    CHECK(page.left_out == 0);
    text += page.text;
    if (page.next == Page::last) break;
    request.place = page.next;
    REQUIRE(pages < 40);
  }
  CHECK(pages >= 2);
  CHECK(lines_in(text) == 40);
  for (int i = 1; i <= 40; ++i) {
    const std::string id = "\"0-test-" + std::to_string(i) + "\"";
    CHECK(text.find(id) != std::string::npos);
    CHECK(text.find(id) == text.rfind(id));
  }
}

TEST_CASE("session pages: a page looks at a bounded number of places") {
  RelayingWorker relaying;
  const auto sessions = relaying.relay_many(1);
  PageRequest request = all_of();
  request.place = 1'000'000'000;
  CHECK(make_page(relaying.worker.context, request).lines == 0);
  CHECK(make_page(relaying.worker.context, request).next == Page::last);
  std::vector<Handle> silent(places_a_page);
  testing::TestWorker& worker = relaying.worker;
  for (Handle& each : silent) {
    each = worker.sessions.create(worker.context, testing::loopback(), 0u);
  }
  const Page page = make_page(worker.context, all_of());
  CHECK(page.lines == 1);
  CHECK(page.next == places_a_page);
}

TEST_CASE("session pages: the session that is named is ended, and no other") {
  RelayingWorker relaying;
  const auto sessions = relaying.relay_many(3);
  PageRequest request = all_of(0);
  request.closes = true;
  request.code = 4321;
  request.reason = "enough";
  request.filter = {By::id, "0-test-2"};
  CHECK(make_page(relaying.worker.context, request).closed == 1);
  CHECK(relaying.worker.await(sessions[1].client, 10) ==
        "\x88\x08\x10\xe1"
        "enough");
  CHECK(relaying.relaying(sessions) == 2);
  request.filter.value = "0-test-9";
  CHECK(make_page(relaying.worker.context, request).closed == 0);
}

}  // namespace
}  // namespace sluice
