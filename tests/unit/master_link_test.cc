// MasterLink: who gets which message, and what the master is answered.
#include "core/process/master_link.h"

#include <doctest/doctest.h>

#include <new>
#include <optional>
#include <string>
#include <vector>

#include "core/process/memory_text.h"
#include "core/process/name_bytes.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice {
namespace {

using testing::Pair;
using testing::unix_pair;
using Answer = ControlChannel::Answer;
using Keep = ControlChannel::Keep;

struct Told final : MasterLinkSink {
  void on_logs(LogHandover logs) override {
    sys::close(logs.error.descriptor.fd);
    text += "logs ";
  }
  void on_conf_part(const ConfPart& part, uint32_t number) override {
    if (part.bundle >= 0) sys::close(part.bundle);
    if (short_of_memory) throw std::bad_alloc();
    sequence = number;
    text += "conf ";
  }
  void on_drains(std::span<const DrainOrder> orders) override {
    if (short_of_memory) throw std::bad_alloc();
    text += "drains " + std::to_string(orders.size()) + " ";
  }
  void on_members(const Members& members) override {
    if (short_of_memory) throw std::bad_alloc();
    text += "members " + std::to_string(members.generation) + " ";
  }
  void on_challenges(Challenges challenges) override {
    if (short_of_memory) throw std::bad_alloc();
    text += "challenges " + std::to_string(challenges.size()) + " ";
  }
  void on_admin(int fd) override {
    text += fd >= 0 ? "admin " : "no admin ";
    if (fd >= 0) sys::close(fd);
  }
  void on_name_files(const NameFiles& files) override {
    text += std::string("files ") + (files.hosts >= 0 ? "h" : "-") +
            (files.resolv_conf >= 0 ? "r " : "- ");
    for (const int fd : {files.hosts, files.resolv_conf}) {
      if (fd >= 0) sys::close(fd);
    }
  }
  void on_link_progress() override { ++progress; }
  void on_page_request(const PageRequest& request) override {
    if (short_of_memory) throw std::bad_alloc();
    list = request.list;
    text += "page ";
  }
  void on_trace_command(const TraceCommand& command) override {
    if (short_of_memory) throw std::bad_alloc();
    text += "trace " + std::to_string(command.order.number) + " ";
  }
  void on_unknown(uint16_t kind) override { text += std::to_string(kind) + "? "; }
  void on_master_gone() override { text += "gone "; }
  void on_nonsense() override { text += "nonsense "; }

  std::string text;
  int progress = 0;
  uint32_t sequence = 0;
  uint32_t list = 0;
  bool short_of_memory = false;
};

struct Fixture {
  explicit Fixture(Pair pair = unix_pair())
      : master(std::in_place, pair.near.release()), link(reactor, told, pair.far.release()) {
    REQUIRE(reactor.open().ok());
    REQUIRE(link.watch().ok());
  }
  void turn() {
    for (int i = 0; i < 3; ++i) reactor.turn(1);
    if (master) CHECK_FALSE(master->next());
  }

  Reactor reactor;
  Told told;
  std::optional<ControlChannel> master;
  MasterLink link;
};

TEST_CASE("master link: each message goes where it belongs and is acknowledged") {
  Fixture f;
  const Pair log = unix_pair();
  REQUIRE(send_logs(*f.master, {{{log.near.get(), false}}, {}}).ok());
  REQUIRE(send_ticket_keys(*f.master, make_ticket_keys()).ok());
  REQUIRE(f.master->send(99, {}, {}, Keep::all).ok());
  f.turn();
  CHECK(f.told.text == "logs 99? ");
  CHECK(f.master->unacknowledged() == 0);
}

TEST_CASE("master link: a conf is acknowledged when its user says so") {
  Fixture f;
  const Pair bundle = unix_pair();
  REQUIRE(send_conf(*f.master, {1, 1, 1}, {}, bundle.near.get(), 5).ok());
  f.turn();
  CHECK(f.told.text == "conf ");
  CHECK(f.master->unacknowledged() == 1);
  f.link.answer_conf(f.told.sequence, Answer::taken);
  f.turn();
  CHECK(f.master->unacknowledged() == 0);
}

TEST_CASE("master link: a conf that memory was short for comes again") {
  Fixture f;
  const Pair bundle = unix_pair();
  f.told.short_of_memory = true;
  REQUIRE(send_conf(*f.master, {1, 1, 1}, {}, bundle.near.get(), 5).ok());
  f.turn();
  CHECK(f.told.text.empty());
  CHECK(f.master->unacknowledged() == 1);
  f.told.short_of_memory = false;
  f.master->retry();
  f.turn();
  CHECK(f.told.text == "conf ");
  f.link.answer_conf(f.told.sequence, Answer::not_now);
  f.turn();
  f.master->retry();
  f.turn();
  CHECK(f.told.text == "conf conf ");
}

TEST_CASE("master link: drains and page requests that memory was short for come again") {
  Fixture f;
  f.told.short_of_memory = true;
  DrainOrder order;
  order.number = 1;
  order.part.kind = Part::Kind::route;
  REQUIRE(send_drains(*f.master, {order}).ok());
  REQUIRE(send_page_request(*f.master, {.list = 5}).ok());
  f.turn();
  CHECK(f.told.text.empty());
  f.told.short_of_memory = false;
  f.master->retry();
  f.turn();
  CHECK(f.told.text == "drains 1 page ");
  CHECK(f.told.list == 5);
  CHECK(f.master->unacknowledged() == 0);
}

TEST_CASE("master link: a page goes to the master") {
  Fixture f;
  f.link.answer_page({.list = 5, .lines = 1, .text = "x\n"});
  const std::optional<ControlMessage> message = f.master->next();
  REQUIRE(message);
  const std::optional<Page> page = read_page(*message);
  REQUIRE(page);
  CHECK(page->list == 5);
  CHECK(page->text == "x\n");
  f.master.reset();
  f.turn();
  f.link.answer_page({});  // nobody hears it
}

TEST_CASE("master link: a request whose page would find no room comes again") {
  Fixture f;
  for (size_t i = 0; i < ControlChannel::most_unacknowledged; ++i) f.link.answer_page({.list = 1});
  REQUIRE(send_page_request(*f.master, {.list = 5}).ok());
  f.reactor.turn(1);
  CHECK(f.told.text.empty());
  while (const auto page = f.master->next()) {
    f.master->acknowledge(page->sequence(), Answer::taken);
  }
  CHECK(f.master->unacknowledged() == 1);
  f.turn();
  f.master->retry();
  f.turn();
  CHECK(f.told.text == "page ");
  CHECK(f.told.list == 5);
  CHECK(f.master->unacknowledged() == 0);
}

TEST_CASE("master link: the master's end is told once, and nonsense as such") {
  Fixture gone;
  gone.master.reset();
  gone.turn();
  CHECK(gone.told.text == "gone ");
  Fixture mad;
  testing::send_text(mad.master->fd(), std::string(sizeof(ControlHeader), 'x'));
  mad.turn();
  CHECK(mad.told.text == "nonsense ");
}

TEST_CASE("master link: the admin address's socket, and that there is none any more") {
  Fixture f;
  const Pair socket = unix_pair();
  REQUIRE(send_admin(*f.master, socket.near.get()).ok());
  f.turn();
  CHECK(f.told.text == "admin ");
  REQUIRE(send_admin(*f.master, -1).ok());
  f.turn();
  CHECK(f.told.text == "admin no admin ");
  CHECK(f.master->unacknowledged() == 0);
}

TEST_CASE("master link: where names lead, and the files that say so") {
  Fixture f;
  const Result<MemoryText> text = MemoryText::make(bytes_of(Members{7, {}}));
  REQUIRE(text.ok());
  REQUIRE(send_members(*f.master, {text.value().fd(), text.value().bytes()}).ok());
  const Pair file = unix_pair();
  REQUIRE(send_name_files(*f.master, {-1, file.near.get()}).ok());
  f.turn();
  CHECK(f.told.text == "members 7 files -r ");
  CHECK(f.master->unacknowledged() == 0);
  // What is no members' text is told; what finds no memory comes again.
  const Result<MemoryText> nonsense = MemoryText::make("x");
  REQUIRE(nonsense.ok());
  REQUIRE(send_members(*f.master, {nonsense.value().fd(), 1}).ok());
  f.turn();
  CHECK(f.told.text == "members 7 files -r 7? ");
  f.told.short_of_memory = true;
  REQUIRE(send_members(*f.master, {text.value().fd(), text.value().bytes()}).ok());
  f.turn();
  CHECK(f.master->unacknowledged() == 1);
  f.told.short_of_memory = false;
  f.master->retry();
  f.turn();
  CHECK(f.master->unacknowledged() == 0);
  CHECK(f.told.text == "members 7 files -r 7? members 7 ");
}

TEST_CASE("master link: what acme_dir holds") {
  Fixture f;
  std::vector<MemoryText> texts;  // they are the sender's until they are taken
  const auto send = [&](const std::string& bytes) {
    Result<MemoryText> made = MemoryText::make(bytes);
    REQUIRE(made.ok());
    const MemoryText& text = texts.emplace_back(std::move(made.value()));
    REQUIRE(send_challenges(*f.master, {text.fd(), text.bytes()}).ok());
    f.turn();
  };
  send(bytes_of(Challenges{{"a", "1"}, {"b", "2"}}));
  send("");
  send("a 2\n1");
  CHECK(f.told.text == "challenges 2 challenges 0 13? ");
  CHECK(f.master->unacknowledged() == 0);
  f.told.short_of_memory = true;
  send(bytes_of(Challenges{{"a", "1"}}));
  CHECK(f.master->unacknowledged() == 1);
  f.told.short_of_memory = false;
  f.master->retry();
  f.turn();
  CHECK(f.told.text == "challenges 2 challenges 0 13? challenges 1 ");
}

TEST_CASE("master link: answers are told one after the other") {
  Fixture f;
  CHECK(f.link.may_tell_answers());
  CHECK(f.link.tell_answers(42));
  CHECK_FALSE(f.link.may_tell_answers());
  std::optional<ControlMessage> message = f.master->next();
  REQUIRE(message);
  CHECK(read_answers(*message) == 42);
  f.master->acknowledge(message->sequence(), Answer::taken);
  message.reset();
  const int before = f.told.progress;
  f.turn();
  CHECK(f.told.progress > before);
  CHECK(f.link.may_tell_answers());
}

}  // namespace
}  // namespace sluice
