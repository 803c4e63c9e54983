// The way of a conf: read into a draft, resolved into a Config.
#include "core/conf/conf.h"

#include "core/conf/draft.h"
#include "core/conf/print.h"
#include "core/conf/reader.h"
#include "core/conf/resolve.h"

namespace sluice {

std::string ConfError::text() const {
  return (line > 0 ? file + ":" + std::to_string(line) : file) + ": " + what;
}

ConfOutcome load_conf(const std::string& path, const ConfOptions& options, ConfInputs& inputs) {
  ConfDraft draft(inputs, options);
  draft.config.file = path;
  ConfErrors errors;
  ConfOutcome outcome;
  ConfReader(draft, errors).read(path);
  outcome.unreadable = draft.unreadable;
  outcome.warnings = std::move(draft.warnings);
  resolve_conf(draft, errors, outcome.warnings);
  outcome.errors = errors.in_reading_order();
  if (outcome.errors.empty()) {
    outcome.effective = effective_conf(draft);
    outcome.config = std::make_unique<Config>(std::move(draft.config));
    if (options.ids != nullptr) *options.ids = std::move(draft.ids);
  } else {
    outcome.warnings.clear();  // they may follow from an error
  }
  return outcome;
}

}  // namespace sluice
