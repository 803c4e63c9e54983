// The conf's values: each unit, both ends of each range, and messages that say what is allowed.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <string>

#include "core/conf/values.h"

using namespace sluice;

namespace {

Word word(const std::string& text) {
  return {text, text};
}

// What the ConfProblem says, or "" where none is thrown.
std::string problem(const std::function<void()>& read) {
  try {
    read();
  } catch (const ConfProblem& thrown) {
    return thrown.what;
  }
  return "";
}

std::string time_problem(const std::string& text) {
  return problem([&] { time_ms(word(text)); });
}

}  // namespace

TEST_CASE("conf values: times have a unit") {
  CHECK(time_ms(word("1ms")) == 1);
  CHECK(time_ms(word("500ms")) == 500);
  CHECK(time_ms(word("10s")) == 10'000);
  CHECK(time_ms(word("5m")) == 300'000);
  CHECK(time_ms(word("1h")) == 3'600'000);
  CHECK(time_ms(word("007s")) == 7'000);
  CHECK(time_ms(word("576h")) == most_timeout_ms);
  CHECK(most_timeout_ms < uint32_t{1} << 31);
  for (const char* text : {"", "10", "s", "ms", "10 s", " 10s", "10sec", "10d", "10S", "1.5s",
                           "-1s", "+1s", "1s1", "0x10s", "off", "1h30m", "ten"}) {
    CAPTURE(text);
    CHECK(time_problem(text) ==
          '"' + std::string(text) +
              "\" is not a time: write a number with its unit, as in 500ms, 10s, 5m or 1h");
  }
  for (const char* text : {"0s", "0ms", "577h", "2073600001ms", "99999999999999999999s",
                           "18446744073709551615h", "5124095576030432h"}) {
    CAPTURE(text);
    CHECK(time_problem(text) == '"' + std::string(text) + "\" is out of range: 1ms to 576h");
  }
}

TEST_CASE("conf values: numbers that may be off, and numbers with a name") {
  CHECK(number_or_off(word("off"), 1, 9) == 0);
  CHECK(number_or_off(word("9"), 1, 9) == 9);
  for (const char* text : {"0", "10", "", "Off", "-1", "1k"}) {
    CAPTURE(text);
    CHECK(problem([&] { number_or_off(word(text), 1, 9); }) ==
          '"' + std::string(text) + "\" is not a number from 1 to 9, or off");
  }
  CHECK(named_number(word("burst=1"), "burst", 1, 9) == 1);
  CHECK(named_number(word("burst=9"), "burst", 1, 9) == 9);
  for (const char* text : {"9", "burst", "burst=", "burst=0", "burst=10", "burst=1k", "Burst=1",
                           "bursts=1", "burst=-1"}) {
    CAPTURE(text);
    CHECK(problem([&] { named_number(word(text), "burst", 1, 9); }) ==
          '"' + std::string(text) + "\" is not burst=N, with N from 1 to 9");
  }
}

TEST_CASE("conf values: times that may be off say so") {
  CHECK(time_ms_or_off(word("off")) == 0);
  CHECK(time_ms_or_off(word("10m")) == 600'000);
  CHECK(problem([] { time_ms_or_off(word("0s")); }) ==
        "\"0s\" is out of range: 1ms to 576h, or off");
  CHECK(problem([] { time_ms_or_off(word("never")); }) ==
        "\"never\" is not a time: write a number with its unit, as in 500ms, 10s, 5m or 1h, or "
        "off");
}

TEST_CASE("conf values: sizes are bytes or have a unit, in either case") {
  const uint64_t most = UINT64_MAX;
  CHECK(size_bytes(word("4096"), 0, most) == 4096);
  CHECK(size_bytes(word("0"), 0, most) == 0);
  CHECK(size_bytes(word("16k"), 0, most) == 16'384);
  CHECK(size_bytes(word("16K"), 0, most) == 16'384);
  CHECK(size_bytes(word("2m"), 0, most) == 2u << 20);
  CHECK(size_bytes(word("2M"), 0, most) == 2u << 20);
  CHECK(size_bytes(word("8g"), 0, most) == uint64_t{8} << 30);
  CHECK(size_bytes(word("8G"), 0, most) == uint64_t{8} << 30);
  for (const char* text : {"", "k", "16kb", "16 k", "1.5m", "-1", "1t", "0x10", "16ki", "off"}) {
    CAPTURE(text);
    CHECK(problem([&] { size_bytes(word(text), 0, most); }) ==
          '"' + std::string(text) +
              "\" is not a size: write bytes, or a number with k, m or g, as in 16k");
  }
}

TEST_CASE("conf values: sizes have a least and a most, and an overflow is too much") {
  CHECK(size_bytes(word("1k"), 1024, 1 << 20) == 1024);
  CHECK(size_bytes(word("1024k"), 1024, 1 << 20) == 1 << 20);
  for (const char* text : {"1023", "1048577", "2m", "0", "17179869184g", "99999999999999999999",
                           "18446744073709551615g"}) {
    CAPTURE(text);
    CHECK(problem([&] { size_bytes(word(text), 1024, 1 << 20); }) ==
          '"' + std::string(text) + "\" is out of range: 1k to 1m");
  }
}

TEST_CASE("conf values: switches are on or off and nothing else") {
  CHECK(switch_on(word("on")));
  CHECK_FALSE(switch_on(word("off")));
  for (const char* text : {"", "On", "OFF", "true", "yes", "1", "onn"}) {
    CAPTURE(text);
    CHECK(problem([&] { switch_on(word(text)); }) ==
          '"' + std::string(text) + "\" is neither on nor off");
  }
}

TEST_CASE("conf values: numbers are whole, decimal and in range") {
  CHECK(number(word("1"), 1, 512) == 1);
  CHECK(number(word("512"), 1, 512) == 512);
  for (const char* text : {"", "0", "513", "4294967297", "99999999999999999999", "-1", "+1", "1.0",
                           "1k", "0x1", "one", " 1", "1 "}) {
    CAPTURE(text);
    CHECK(problem([&] { number(word(text), 1, 512); }) ==
          '"' + std::string(text) + "\" is not a number from 1 to 512");
  }
}

TEST_CASE("conf values: messages print the word of the file, never what it stands for") {
  const Word secret{"${env:SECRET}", "hunter2"};
  for (const std::string& what :
       {problem([&] { time_ms(secret); }), problem([&] { time_ms_or_off(secret); }),
        problem([&] { size_bytes(secret, 1, 2); }), problem([&] { switch_on(secret); }),
        problem([&] { number(secret, 1, 2); })}) {
    CHECK(what.starts_with("\"${env:SECRET}\" is "));
    CHECK(what.find("hunter2") == std::string::npos);
  }
  // what cannot be seen is spelt out
  CHECK(problem([] { switch_on(word("on\xc2\xa0\xe2\x80\x8b\xef\xbb\xbf")); }) ==
        "\"on<U+00A0><U+200B><U+FEFF>\" is neither on nor off");
  const std::string long_word(200, '9');
  CHECK(problem([&] { switch_on(word(long_word)); }) ==
        '"' + long_word.substr(0, 100) + "...\" is neither on nor off");
}
