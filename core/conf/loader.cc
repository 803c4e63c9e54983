// Each phase ends with the step that finds nothing left to do in it.
#include "core/conf/loader.h"

#include <optional>
#include <utility>
#include <vector>

#include "core/conf/draft.h"
#include "core/conf/print.h"
#include "core/conf/reader.h"
#include "core/conf/resolve.h"

namespace sluice {

struct ConfLoader::Parts {
  Parts(std::string path, const ConfOptions& options, ConfInputs& inputs) : draft(inputs, options) {
    draft.tls.begin_load();
    draft.config.file = std::move(path);
    reader.open(draft.config.file);
  }

  ConfDraft draft;
  ConfErrors errors;
  ConfReader reader{draft, errors};
  std::vector<std::string> warnings;  // of the resolver; they come behind the draft's
  std::optional<ConfResolver> resolver;
};

ConfLoader::ConfLoader(std::string path, const ConfOptions& options, ConfInputs& inputs)
    : parts_(std::make_unique<Parts>(std::move(path), options, inputs)) {}

ConfLoader::~ConfLoader() = default;

bool ConfLoader::step() {
  switch (phase_) {
    case Phase::reading:
      if (parts_->reader.step()) return true;
      parts_->resolver.emplace(parts_->draft, parts_->errors, parts_->warnings);
      phase_ = Phase::resolving;
      return true;
    case Phase::resolving:
      if (parts_->resolver->step()) return true;
      conclude();
      parts_->resolver.reset();
      phase_ = Phase::clearing;
      return true;
    case Phase::clearing:
      if (clear()) return true;
      phase_ = Phase::done;
      return true;
    case Phase::done:
      break;
  }
  return false;
}

void ConfLoader::conclude() {
  ConfDraft& draft = parts_->draft;
  outcome_.unreadable = draft.unreadable;
  outcome_.errors = parts_->errors.in_reading_order();
  if (!outcome_.errors.empty()) return;  // warnings may follow from an error
  outcome_.warnings = std::move(draft.warnings);
  for (std::string& each : parts_->warnings) outcome_.warnings.push_back(std::move(each));
  if (draft.options.effective) outcome_.effective = effective_conf(draft);
  outcome_.config = std::move(draft.made);
  if (draft.options.ids != nullptr) std::swap(*draft.options.ids, draft.ids);
}

// A draft, or the Config of a bad conf, takes milliseconds to destroy where it has many routes.
bool ConfLoader::clear() {
  constexpr int sections_a_step = 8;
  ConfDraft& draft = parts_->draft;
  if (draft.sections.empty()) return draft.made != nullptr && take_apart(*draft.made);
  for (int i = 0; i < sections_a_step && !draft.sections.empty(); ++i) draft.sections.pop_back();
  return true;
}

ConfOutcome ConfLoader::finish() {
  return std::move(outcome_);
}

}  // namespace sluice
