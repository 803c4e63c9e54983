// fuzz_replay TARGET PATH...: runs that fuzz target over every file of the folders (or over the
// files) that are named, so that any compiler's build replays the corpus and what was once found. A
// failure ends the process.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Which there are is CMakeLists.txt's to say.
#define TARGET(name) extern "C" int replay_##name(const uint8_t* data, size_t size);
SLUICE_FUZZ_TARGETS
#undef TARGET

namespace {

struct Target {
  std::string_view name;
  int (*run)(const uint8_t* data, size_t size);
};

constexpr Target targets[] = {
#define TARGET(name) {#name, replay_##name},
    SLUICE_FUZZ_TARGETS
#undef TARGET
};

void replay(const Target& target, const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s cannot be read\n", path.c_str());
    std::exit(1);
  }
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file),
                                   std::istreambuf_iterator<char>()};
  // A copy of exactly that size, so that ASan sees a read behind its end.
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  std::fprintf(stderr, "%s\n", path.c_str());
  target.run(exact.get(), bytes.size());
}

}  // namespace

int main(int count, char** words) {
  const std::string_view name = count > 1 ? words[1] : "";
  const auto* const target = std::find_if(std::begin(targets), std::end(targets),
                                          [&](const Target& each) { return each.name == name; });
  if (target == std::end(targets)) {
    std::fprintf(stderr, "there is no fuzz target \"%s\"\n", std::string(name).c_str());
    return 1;
  }
  size_t replayed = 0;
  for (int i = 2; i < count; ++i) {
    if (!std::filesystem::is_directory(words[i])) {
      replay(*target, words[i]);
      ++replayed;
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(words[i])) {
      if (!entry.is_regular_file()) continue;
      replay(*target, entry.path());
      ++replayed;
    }
  }
  std::printf("%zu inputs replayed\n", replayed);
  return replayed == 0 ? 1 : 0;
}
