// What a keeper or a master says of names, as anybody who took such a process could say it: bytes
// are answers, members or neither, and what was understood says the same again.
#include "core/process/name_bytes.h"
#include "net/check.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

constexpr size_t most = 4;

void run(Input input) {
  const std::string_view text = text_of(input.rest());
  if (const auto answers = answers_from(text, most)) {
    SLUICE_CHECK(answers_from(bytes_of(*answers), most) == answers);
    for (const auto& [question, targets] : *answers)
      SLUICE_CHECK(!targets.empty() && targets.size() <= most);
  }
  if (const auto members = members_from(text)) {
    SLUICE_CHECK(members_from(bytes_of(*members)) == members);
    for (const NamedMembers& each : members->named) {
      SLUICE_CHECK(each.ids.size() == each.targets.size());
    }
  }
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run({data, size});
  return 0;
}
