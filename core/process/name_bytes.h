// NameBytes: what names lead to, as bytes between the processes of one sluice. Addresses travel as
// text, so that what a taken process sends is parsed and not believed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/members.h"
#include "core/names.h"

namespace sluice {

std::string bytes_of(const NameAnswers& answers);
std::string bytes_of(const Members& members);

// Nothing where the bytes are no such thing, whole.
// Answers have targets, at most so many each, with their questions' ports.
std::optional<NameAnswers> answers_from(std::string_view bytes, size_t most_targets);
std::optional<Members> members_from(std::string_view bytes);

}  // namespace sluice
