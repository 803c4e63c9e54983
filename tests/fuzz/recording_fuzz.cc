// Recordings of arbitrary confs: the same comes of a recording as of the machine, and one that was
// damaged is told or loads, but does no harm.
//   bytes 0 and 1  where the recording is damaged; byte 2  by what; byte 3  whether it is cut
//   there; the files follow as conf_fuzz has them
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "core/conf/recording.h"
#include "net/check.h"
#include "tests/fuzz/conf_machine.h"
#include "tests/fuzz/input.h"

namespace sluice::fuzz {

namespace {

std::string told(ConfInputs& inputs) {
  ConfOptions options;
  options.effective = true;
  const ConfOutcome outcome = load_conf(main_file, options, inputs);
  SLUICE_CHECK((outcome.config == nullptr) == !outcome.errors.empty());
  std::string text = outcome.effective;
  for (const ConfError& error : outcome.errors) text += error.text() + "\n";
  for (const std::string& warning : outcome.warnings) text += warning + "\n";
  return text;
}

std::string recorded_of(ConfInputs& inputs, std::string& text) {
  RecordingInputs recording(inputs, 1 << 20);
  text = told(recording);
  SLUICE_CHECK(!recording.full());
  return std::string(recording.bytes());
}

void run(Input input) {
  const size_t place = input.byte() + size_t{256} * input.byte();
  const uint8_t value = input.byte();
  const bool cut = (input.byte() & 1) != 0;
  testing::MemoryInputs machine = inputs_of(split(text_of(input.rest()).substr(0, most_bytes)));
  std::string from_machine;
  std::string bytes = recorded_of(machine, from_machine);
  {
    RecordedInputs recorded(bytes);
    SLUICE_CHECK(told(recorded) == from_machine && recorded.used_up());
  }
  bytes[place % bytes.size()] = static_cast<char>(value);
  if (cut) bytes.resize(place % bytes.size());
  std::string_view behind = bytes;
  if (const std::optional<ConfIds> ids = ConfIds::from(behind)) {
    SLUICE_CHECK(ids->bytes() + std::string(behind) == bytes);
  }
  RecordedInputs damaged(bytes);
  std::string from_damaged;
  const std::string again = recorded_of(damaged, from_damaged);
  // What it was taken for is a recording like any other.
  RecordedInputs recorded(again);
  SLUICE_CHECK(told(recorded) == from_damaged && recorded.used_up());
}

}  // namespace

}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::fuzz::run(sluice::fuzz::Input(data, size));
  return 0;
}
