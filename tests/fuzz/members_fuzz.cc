// What a keeper or a master says of names and of challenges, as anybody who took such a process
// could say it: bytes are answers, members, challenges or none of them, and what was understood
// says the same again.
#include "core/process/name_bytes.h"
#include "core/session/challenges.h"
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
  if (const auto challenges = challenges_from(text)) {
    SLUICE_CHECK(challenges_from(sluice::bytes_of(*challenges)) == challenges);
    SLUICE_CHECK(challenges->size() <= most_challenges);
    for (const auto& [name, content] : *challenges) {
      SLUICE_CHECK(is_challenge_name(name) && content.size() <= most_challenge_bytes);
    }
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
