// Log lines: escaping, timestamps, and that a sink which takes nothing costs lines, not time.
#include "core/observe/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

namespace sluice {
namespace {

std::string field(std::string_view value) {
  std::string line;
  append_field(line, "name", value);
  return line;
}

TEST_CASE("fields of strangers stay on their line") {
  CHECK(field("plain/value:1") == " name=plain/value:1");
  CHECK(field("") == " name=\"\"");
  CHECK(field("two words") == " name=\"two words\"");
  CHECK(field("a\nb\"c\\d\x7f\xff") == " name=\"a\\x0ab\\\"c\\\\d\\x7f\\xff\"");
  CHECK(field("x=y") == " name=\"x=y\"");
}

TEST_CASE("timestamps are UTC with milliseconds") {
  CHECK(timestamp_text(0) == "1970-01-01T00:00:00.000Z");
  CHECK(timestamp_text(1'700'000'000'042) == "2023-11-14T22:13:20.042Z");
}

TEST_CASE("lines below the level are not written") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Log log;
  log.set_level(LogLevel::warn);
  log.error_sink.use({ends[1], false});
  log.error(LogLevel::info, "quiet");
  log.error(LogLevel::warn, "loud \"quoted\" and\nbroken");
  log.flush();
  char text[256] = {};
  const ssize_t got = ::read(ends[0], text, sizeof text - 1);
  REQUIRE(got > 0);
  const std::string line(text, static_cast<size_t>(got));
  CHECK(line.find("quiet") == std::string::npos);
  CHECK(line.ends_with(" warn loud \"quoted\" and\\x0abroken\n"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a stuck pipe drops whole lines and counts them") {
  for (const bool may_block : {false, true}) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    if (!may_block) REQUIRE(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    LogSink sink;
    sink.use({ends[1], may_block});
    const std::string line(999, 'l');
    for (int i = 0; i < 200; ++i) {
      sink.write(line);
      if (i % 10 == 9) sink.flush();
    }
    sink.flush();
    CHECK(sink.dropped() > 0);
    CHECK(sink.dropped() < 200);
    ::close(ends[1]);
    std::string all;
    char piece[4096];
    for (ssize_t got = ::read(ends[0], piece, sizeof piece); got > 0;
         got = ::read(ends[0], piece, sizeof piece)) {
      all.append(piece, static_cast<size_t>(got));
    }
    CHECK(all.size() / 1000 + sink.dropped() <= 200);
    CHECK(all.size() / 1000 + sink.dropped() >= 199);
    ::close(ends[0]);
  }
}

TEST_CASE("a full disk drops lines and counts them") {
  LogSink sink;
  const int fd = ::open("/dev/full", O_WRONLY);
  if (fd < 0) return;
  sink.use({fd, false});
  sink.write("lost");
  sink.write("lost too");
  sink.flush();
  CHECK(sink.dropped() == 2);
  CHECK(sink.take_dropped() == 2);
  CHECK(sink.take_dropped() == 0);
  ::close(fd);
}

}  // namespace
}  // namespace sluice
