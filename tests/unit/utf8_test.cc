// Utf8Validator against a reference that decodes and compares code points.
#include "protocol/utf8.h"

#include <doctest/doctest.h>

#include <random>
#include <string_view>
#include <vector>

using namespace sluice;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

// How a code point is written (RFC 3629 section 3), which is all that the reference knows.
Bytes encode(uint32_t point) {
  const auto tail = [point](int shift) {
    return static_cast<uint8_t>(0x80 | (point >> shift & 0x3f));
  };
  if (point < 0x80) return {static_cast<uint8_t>(point)};
  if (point < 0x800) return {static_cast<uint8_t>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<uint8_t>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<uint8_t>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

// Which sequences of up to three bytes are a character or the beginning of one, marked by encoding
// every code point.
class Reference {
 public:
  Reference() : marks_(0x1000000 + 0x10000 + 0x100) {
    for (uint32_t point = 0; point <= 0x10ffff; ++point) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const Bytes encoded = encode(point);
      for (size_t size = 1; size <= encoded.size() && size <= 3; ++size) {
        mark(encoded.data(), size) = size == encoded.size() ? whole : beginning;
      }
    }
  }

  struct Answer {
    size_t valid = 0;
    bool complete = true;
  };

  // For texts of at most three bytes.
  Answer ask(const uint8_t* text, size_t size) {
    Answer answer;
    size_t start = 0;
    while (answer.valid < size) {
      const uint8_t found = mark(text + start, answer.valid + 1 - start);
      if (found == nothing) break;
      ++answer.valid;
      answer.complete = found == whole;
      if (found == whole) start = answer.valid;
    }
    return answer;
  }

 private:
  enum Mark : uint8_t { nothing, beginning, whole };

  uint8_t& mark(const uint8_t* text, size_t size) {
    const size_t base = size == 1 ? 0 : size == 2 ? 0x100 : 0x10100;
    size_t index = 0;
    for (size_t i = 0; i < size; ++i) index = index << 8 | text[i];
    return marks_[base + index];
  }

  std::vector<uint8_t> marks_;
};

Bytes masked(Bytes text, const uint8_t key[4], uint64_t offset) {
  for (size_t i = 0; i < text.size(); ++i) text[i] ^= key[(offset + i) % 4];
  return text;
}

struct Seen {
  size_t valid = 0;
  bool complete = true;
  bool operator==(const Seen&) const = default;
};

Seen feed_whole(const Bytes& text) {
  Utf8Validator validator;
  const size_t valid = validator.feed(text);
  return {valid, validator.complete()};
}

// The text in two pieces, the first of `split` bytes.
Seen feed_split(const Bytes& text, size_t split) {
  Utf8Validator validator;
  const std::span<const uint8_t> all = text;
  size_t valid = validator.feed(all.first(split));
  if (valid == split) valid += validator.feed(all.subspan(split));
  return {valid, validator.complete()};
}

Seen feed_masked_split(const Bytes& text, size_t split, const uint8_t key[4], uint64_t offset) {
  const Bytes wire = masked(text, key, offset);
  Utf8Validator validator;
  const std::span<const uint8_t> all = wire;
  size_t valid = validator.feed_masked(all.first(split), key, offset);
  if (valid == split) valid += validator.feed_masked(all.subspan(split), key, offset + split);
  CHECK(wire == masked(text, key, offset));  // what is looked at is not changed
  return {valid, validator.complete()};
}

constexpr uint8_t some_key[4] = {0x37, 0xfa, 0x21, 0x9d};

}  // namespace

TEST_CASE("utf8: every sequence of one to three bytes is judged as the reference judges it") {
  Reference reference;
  size_t wrong = 0;
  for (size_t size = 1; size <= 3; ++size) {
    for (uint32_t number = 0; number < 1u << (8 * size); ++number) {
      // A zero behind it gives the validator's four-byte look at a character room to happen.
      uint8_t text[4] = {};
      for (size_t i = 0; i < size; ++i)
        text[i] = static_cast<uint8_t>(number >> 8 * (size - 1 - i));
      const Reference::Answer expected = reference.ask(text, size);

      Utf8Validator exact;
      if (exact.feed({text, size}) != expected.valid) ++wrong;
      if (exact.complete() != expected.complete) ++wrong;

      if (size < 3) continue;
      const size_t padded_valid = expected.valid == 3 && expected.complete ? 4 : expected.valid;
      Utf8Validator padded;
      if (padded.feed({text, 4}) != padded_valid) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("utf8: every code point passes, alone, split at each byte and in all mask phases") {
  size_t wrong = 0;
  for (uint32_t point = 0; point <= 0x10ffff; ++point) {
    const Bytes text = encode(point);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if ((utf8_whole_bytes(text) == text.size()) == surrogate) ++wrong;
    if (surrogate || point % 61 != 0) continue;
    for (size_t split = 0; split <= text.size(); ++split) {
      if (!(feed_split(text, split) == Seen{text.size(), true})) ++wrong;
      for (uint64_t phase = 0; phase < 4; ++phase) {
        if (!(feed_masked_split(text, split, some_key, phase) == Seen{text.size(), true})) ++wrong;
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("utf8: the boundaries of four-byte characters, and the first byte that is bad") {
  struct Row {
    std::string_view text;
    size_t valid;
    bool complete;
  };
  const Row rows[] = {
      {"\xf0\x90\x80\x80", 4, true},   // U+10000
      {"\xf0\x8f\xbf\xbf", 1, false},  // overlong U+FFFF
      {"\xf0\x80\x80\x80", 1, false},  // overlong U+0000
      {"\xf4\x8f\xbf\xbf", 4, true},   // U+10FFFF
      {"\xf4\x90\x80\x80", 1, false},  // U+110000
      {"\xf5\x80\x80\x80", 0, true},
      {"\xff", 0, true},
      {"\xfe", 0, true},
      {"\xf1\x80\x80\x80", 4, true},
      {"\xf3\xbf\xbf\xbf", 4, true},
      {"\xf1\x7f\x80\x80", 1, false},
      {"\xf1\xc0\x80\x80", 1, false},
      {"\xf1\x80\x7f\x80", 2, false},
      {"\xf1\x80\xc0\x80", 2, false},
      {"\xf1\x80\x80\x7f", 3, false},
      {"\xf1\x80\x80\xc0", 3, false},
      {"\xf1\x80\x80", 3, false},
      {"\xed\x9f\xbf", 3, true},
      {"\xed\xa0\x80", 1, false},  // U+D7FF, U+D800
      {"\xc0\x80", 0, true},
      {"\xe0\x9f\xbf", 1, false},
      {"plain \xc3\xa9 text \x80", 14, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Bytes text = bytes_of(row.text);
    const Seen expected{row.valid, row.complete};
    for (size_t split = 0; split <= text.size(); ++split) {
      CHECK(feed_split(text, split) == expected);
      for (uint64_t phase = 0; phase < 4; ++phase) {
        CHECK(feed_masked_split(text, split, some_key, phase) == expected);
      }
    }
    CHECK((utf8_whole_bytes(text) == text.size()) == (row.valid == text.size() && row.complete));
  }
}

TEST_CASE("utf8: a bad byte is found at every place of a long text, plain and masked") {
  for (const std::string_view filling :
       {"abcdefgh", "\xd0\x96\xc3\xa9", "\xe6\x88\x91 \xe4\xbd\xa0", "a\xf0\x9f\x98\x80z"}) {
    CAPTURE(filling);
    Bytes text;
    while (text.size() < 100) text.insert(text.end(), filling.begin(), filling.end());
    CHECK(utf8_whole_bytes(text) == text.size());
    for (size_t place = 0; place < text.size(); ++place) {
      Bytes broken = text;
      broken[place] = 0xff;
      for (uint64_t phase = 0; phase < 4; ++phase) {
        CHECK(feed_masked_split(broken, 0, some_key, phase).valid == place);
        CHECK(feed_masked_split(broken, place, some_key, phase).valid == place);
      }
      CHECK(feed_whole(broken).valid == place);
    }
  }
}

TEST_CASE("utf8: random bytes give the same answer in one piece, in pieces and masked") {
  std::mt19937 engine(20240601);
  const auto random = [&engine] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 3000; ++round) {
    Bytes text;
    while (text.size() < 60) {
      const Bytes piece = random() % 4 == 0 ? encode(random() % 0xd800) : encode(random() % 0x80);
      text.insert(text.end(), piece.begin(), piece.end());
    }
    if (round % 2 == 0) text[random() % text.size()] = static_cast<uint8_t>(random());
    const Seen expected = feed_whole(text);

    Utf8Validator bytewise;
    size_t valid = 0;
    while (valid < text.size() && bytewise.feed({&text[valid], 1}) == 1) ++valid;
    CHECK(Seen{valid, bytewise.complete()} == expected);

    const size_t split = random() % (text.size() + 1);
    CHECK(feed_split(text, split) == expected);
    CHECK(feed_masked_split(text, split, some_key, random()) == expected);
  }
}

TEST_CASE("utf8: reset forgets an incomplete character, an empty text is complete") {
  Utf8Validator validator;
  CHECK(validator.complete());
  CHECK(validator.feed(bytes_of("\xe6")) == 1);
  CHECK_FALSE(validator.complete());
  validator.reset();
  CHECK(validator.complete());
  CHECK(validator.feed(bytes_of("a")) == 1);
  CHECK(utf8_whole_bytes({}) == 0);
  CHECK(sizeof(Utf8Validator) == 4);
}

TEST_CASE("utf8: of a text that is cut or broken, the whole characters are counted") {
  struct Row {
    std::string_view text;
    size_t whole;
  };
  const Row rows[] = {{"\xc3", 0},
                      {"a\xc3", 1},
                      {"\xc3\xa9\xe2\x82", 2},
                      {"\xe2\x82\xac\xf0\x9f\x98", 3},
                      {"\xf0\x9f\x98\x80\xf0\x9f", 4},
                      {"ab\xff...", 2},
                      {"ab\xe2\x82...", 2},  // begun, and then broken
                      {"\xc3\xa9\xc3(", 2},
                      {"a\x80", 1},
                      {"\xed\xa0\x80", 0},
                      {"whole \xe2\x82\xac", 9}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(utf8_whole_bytes(bytes_of(row.text)) == row.whole);
  }
}
