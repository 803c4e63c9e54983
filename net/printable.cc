// Printable text: what a terminal would act on is replaced.
#include "net/printable.h"

namespace sluice {

namespace {

constexpr size_t most_text_bytes = 100;

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, most_text_bytes));
  for (char& byte : shown) {
    if (byte < ' ' || byte > '~') byte = '?';
  }
  return text.size() > most_text_bytes ? shown + "..." : shown;
}

}  // namespace sluice
