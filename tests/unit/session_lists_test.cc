// SessionLists: a list goes from worker to worker, one page at a time, and ends with its counts.
#include "core/process/session_lists.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace sluice {
namespace {

ControlTicket ticket_of(uint32_t index) {
  return ControlTicket{Handle{index, 1}};
}

struct Owner final : SessionListsOwner {
  uint32_t worker_places() const override { return static_cast<uint32_t>(pids.size()); }
  pid_t worker_pid(uint32_t number) const override { return pids[number]; }
  bool ask_for_page(uint32_t number, const PageRequest& request) override {
    if (deaf) return false;
    asked.emplace_back(number, request);
    return true;
  }
  void tell(ControlTicket ticket, std::string lines) override {
    told += std::to_string(ticket.client.index) + ":" + lines;
  }
  void answer(ControlTicket ticket, std::string text) override {
    answered += std::to_string(ticket.client.index) + ":" + text;
  }

  std::vector<pid_t> pids = {11, 22};
  std::vector<std::pair<uint32_t, PageRequest>> asked;
  std::string told;
  std::string answered;
  bool deaf = false;
};

struct Fixture {
  Owner owner;
  SessionLists lists{owner};

  // The latest request is answered so.
  void page(uint32_t lines, uint32_t next, uint32_t left_out = 0, uint32_t closed = 0) {
    const auto [worker, request] = owner.asked.back();
    CHECK(lists.on_page(
        worker, Page{request.list, next, lines, left_out, closed, std::string(lines, '\n')}));
  }
};

TEST_CASE("session lists: a page at a time, when the one before was taken, worker by worker") {
  Fixture f;
  f.lists.list(ticket_of(5), {}, 10);
  REQUIRE(f.owner.asked.size() == 1);
  CHECK(f.owner.asked[0].first == 0);
  CHECK(f.owner.asked[0].second.place == 0);
  CHECK(f.owner.asked[0].second.lines == 10);
  f.page(3, 77);
  CHECK(f.owner.told == "5:\n\n\n");
  CHECK(f.owner.asked.size() == 1);  // not before it is taken
  f.lists.on_taken(ticket_of(5));
  REQUIRE(f.owner.asked.size() == 2);
  CHECK(f.owner.asked[1].first == 0);
  CHECK(f.owner.asked[1].second.place == 77);
  CHECK(f.owner.asked[1].second.lines == 7);
  f.page(0, 99);  // nobody among those places: nothing is to be taken
  REQUIRE(f.owner.asked.size() == 3);
  CHECK(f.owner.asked[2].second.place == 99);
  f.page(7, Page::last, 4);
  f.lists.on_taken(ticket_of(5));
  REQUIRE(f.owner.asked.size() == 4);
  CHECK(f.owner.asked[3].first == 1);
  CHECK(f.owner.asked[3].second.place == 0);
  CHECK(f.owner.asked[3].second.lines == 0);
  f.page(0, Page::last, 8);
  CHECK(f.owner.answered == "5:{\"ok\":true,\"sessions\":10,\"left_out\":12}\n");
  CHECK(f.lists.size() == 0);
}

TEST_CASE("session lists: several beside each other, and what comes for one that is gone") {
  Fixture f;
  f.lists.list(ticket_of(1), {}, 1);
  f.lists.list(ticket_of(2), {}, 2);
  REQUIRE(f.owner.asked.size() == 2);
  const uint32_t first = f.owner.asked[0].second.list;
  CHECK(first != f.owner.asked[1].second.list);
  f.lists.forget(ticket_of(1));
  CHECK(f.lists.on_page(0, Page{first, 5, 1, 0, 0, "x\n"}));  // it was asked for all the same
  CHECK_FALSE(f.lists.on_page(0, Page{first, 6, 1, 0, 0, "x\n"}));
  CHECK(f.owner.told.empty());
  CHECK(f.lists.size() == 1);
  const uint32_t second = f.owner.asked[1].second.list;
  CHECK_FALSE(f.lists.on_page(1, Page{second, 5, 1, 0, 0, "x\n"}));  // another worker was asked
  CHECK_FALSE(f.lists.on_page(0, Page{second, 5, 3, 0, 0, "x\n"}));  // more than were asked for
  CHECK_FALSE(f.lists.on_page(0, Page{second, 0, 0, 0, 0, ""}));     // it would never end
  CHECK(f.owner.told.empty());
  CHECK(f.lists.on_page(0, Page{second, 5, 1, 0, 0, "x\n"}));
  CHECK(f.owner.told == "2:x\n");
  CHECK_FALSE(f.lists.on_page(0, Page{second, 5, 1, 0, 0, "x\n"}));  // nothing was asked
  CHECK(f.owner.told == "2:x\n");
}

TEST_CASE("session lists: a worker that goes is passed over, and told of") {
  Fixture f;
  f.lists.list(ticket_of(1), {}, 10);
  f.lists.on_crew_progress();
  CHECK(f.owner.asked.size() == 1);
  f.owner.pids[0] = 33;  // another process has its place
  f.lists.on_crew_progress();
  REQUIRE(f.owner.asked.size() == 2);
  CHECK(f.owner.asked[1].first == 1);
  f.page(0, Page::last);
  CHECK(f.owner.answered.find("\"warnings\":[\"1 of the workers ended meanwhile") !=
        std::string::npos);
}

TEST_CASE("session lists: a worker that went between two pages is told of, and no other one") {
  Fixture f;
  f.lists.list(ticket_of(1), {}, 10);
  f.page(1, 77);
  f.owner.pids[0] = 33;
  f.lists.on_crew_progress();
  f.lists.on_taken(ticket_of(1));
  REQUIRE(f.owner.asked.size() == 2);
  CHECK(f.owner.asked[1].first == 1);
  CHECK(f.owner.asked[1].second.place == 0);
  f.page(0, Page::last);
  CHECK(f.owner.answered.find("\"warnings\":[\"1 of the workers ended meanwhile") !=
        std::string::npos);
}

TEST_CASE("session lists: a page that its client does not await any more goes with its worker") {
  Fixture f;
  f.lists.list(ticket_of(1), {}, 10);
  f.lists.forget(ticket_of(1));
  CHECK(f.lists.size() == 1);
  f.owner.pids[0] = 33;
  f.lists.on_crew_progress();
  CHECK(f.lists.size() == 0);
  CHECK(f.owner.answered.empty());
}

TEST_CASE("session lists: where nobody can be asked it ends at once, and says so") {
  Fixture f;
  f.owner.pids = {0, 0};
  f.lists.list(ticket_of(1), {}, 10, "mistyped?");
  const std::string none = "{\"ok\":true,\"sessions\":0,\"left_out\":0";
  CHECK(f.owner.answered == "1:" + none + ",\"warnings\":[\"mistyped?\"]}\n");
  f.owner.answered.clear();
  f.owner.pids = {1};
  f.owner.deaf = true;
  f.lists.list(ticket_of(2), {}, 10);
  CHECK(f.owner.answered == "2:" + none +
                                ",\"warnings\":[\"1 of the workers could not be asked, as the "
                                "error log says: sessions of theirs lack\"]}\n");
  f.owner.answered.clear();
  f.lists.close(ticket_of(3), {});
  CHECK(f.owner.answered.find("could not be asked") != std::string::npos);
  CHECK(f.lists.size() == 0);
}

TEST_CASE("session lists: the session that is ended is looked for in all workers, then no more") {
  Fixture f;
  PageRequest request;
  request.filter = {SessionFilter::By::id, "1-x-1"};
  f.lists.close(ticket_of(1), request);
  CHECK(f.owner.asked[0].second.closes);
  f.page(0, Page::last);
  REQUIRE(f.owner.asked.size() == 2);
  f.page(0, 5, 0, 1);
  CHECK(f.owner.answered == "1:{\"ok\":true}\n");
  CHECK(f.owner.asked.size() == 2);
  f.lists.close(ticket_of(2), request);
  f.page(0, Page::last);
  f.page(0, Page::last);
  CHECK(f.owner.answered.find("no session has the id \\\"1-x-1\\\"") != std::string::npos);
}

}  // namespace
}  // namespace sluice
