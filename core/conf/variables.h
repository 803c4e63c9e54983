// $name in a conf: which variables there are, and values made of them.
#pragma once

#include <optional>
#include <string>

#include "core/conf/draft.h"

namespace sluice {

// "$name" is a variable, "$$" a plain "$"; text that a reference brought in stays text. Throws a
// ConfProblem where there is no such variable, or a "$" has no name behind it.
HeaderValue compile_header_value(const Word& word);

// For values that are needed before an authorizer is asked: throws a ConfProblem where that one's
// answer is in it.
void refuse_auth_variables(const Word& word, const HeaderValue& value);

// The first "$name" in the word that is a variable of ours or of nginx, "$" and all: what somebody
// wrote in a place that knows no variables. "" where there is none.
std::string variable_in(const Word& word);

}  // namespace sluice
