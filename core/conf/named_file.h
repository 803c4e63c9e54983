// Files that lines name: they are read at once, so that what is wrong with one is told at its line,
// and they are among those that tls_reload_on_change looks at.
#pragma once

#include <functional>

#include "core/conf/directives.h"
#include "net/result.h"
#include "tls/secret.h"

namespace sluice {

// Reads the file that the word of the call's line names. `judge` sees the file's facts first,
// whether its content can be read or not. Throws a ConfProblem.
void read_named_file(
    const SetterCall& call, const Word& word, Secret& content,
    const std::function<void(const FileFacts&)>& judge = [](const FileFacts&) {});

// Throws what is wrong with the content of the file that the word names.
[[noreturn]] void refuse_file(const Word& word, const Fault& fault);

// Refuses a file of a secret that others can read or write: they could use it as its owner does, or
// put theirs in its place. A group that root trusts, or that this process is in, may do both:
// Debian (ssl-cert) and Kubernetes (fsGroup) give keys to services in that way.
void check_private(const Word& word, const FileFacts& facts, ConfInputs& inputs);

}  // namespace sluice
