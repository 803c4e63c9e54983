// Http2Input: bytes come out as they went in, whatever lies where; what is beyond a ring is
// counted.
#include "core/session/http2_input.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace sluice;

namespace {

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string take(Http2Input& input, size_t most, BufferPool& pool) {
  const std::span<const uint8_t> front = input.front();
  const size_t count = std::min(most, front.size());
  std::string taken(reinterpret_cast<const char*>(front.data()), count);
  input.drop(count, pool);
  return taken;
}

}  // namespace

TEST_CASE("http2 input: bytes come out as they went in, in any steps, and nothing stays held") {
  BufferPool pool(256 * 1024);
  const size_t before = Http2Input::held_elsewhere();
  std::mt19937 random(7);
  Http2Input input;
  std::string in;
  std::string out;
  for (int step = 0; step < 20'000; ++step) {
    const bool puts = random() % 2 == 0 && input.size() < 65'535;
    if (puts) {
      std::string bytes(1 + random() % std::min<size_t>(16'384, 65'536 - input.size()), '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      input.append(bytes_of(bytes), pool);
      in += bytes;
    } else if (input.size() > 0) {
      out += take(input, 1 + random() % 20'000, pool);
    }
    REQUIRE(input.size() == in.size() - out.size());
  }
  while (input.size() > 0) out += take(input, SIZE_MAX, pool);
  CHECK(in == out);
  CHECK(pool.lent() == 0);
  CHECK(Http2Input::held_elsewhere() == before);
}

TEST_CASE(
    "http2 input: a small ring holds the first bytes, memory of its own at most twice the rest") {
  BufferPool pool(256 * 1024);
  const size_t before = Http2Input::held_elsewhere();
  Http2Input input;
  input.append(bytes_of(std::string(1000, 'a')), pool);
  CHECK(pool.lent_bytes() == BufferPool::tiny_bytes);
  CHECK(Http2Input::held_elsewhere() == before);
  input.append(bytes_of(std::string(16 * 1024 - 1000, 'b')), pool);
  CHECK(pool.lent_bytes() == BufferPool::small_bytes);
  CHECK(Http2Input::held_elsewhere() == before);
  for (int i = 0; i < 49'151; ++i) input.append(bytes_of("c"), pool);
  CHECK(input.size() == 65'535);
  CHECK(pool.lent_bytes() == BufferPool::small_bytes);
  CHECK(Http2Input::held_elsewhere() - before < 2 * 49'151);
  input.release(pool);
  CHECK(input.size() == 0);
  CHECK(pool.lent() == 0);
  CHECK(Http2Input::held_elsewhere() == before);
}
