// Formats that are built in are named like any other.
#include "core/conf/resolve_logs.h"

#include <string_view>

#include "core/conf/suggest.h"

namespace sluice {

namespace {

void refuse_format(const ConfDraft& draft, ConfErrors& errors) {
  const Word& name = draft.access_format->name;
  std::vector<std::string_view> names = {"text", "json"};
  for (const auto& [each, format] : draft.log_formats) {
    if (!format.name.expanded()) names.push_back(each);
  }
  std::string wrong = "access_log: there is no log_format " + quoted(name.text);
  if (!name.expanded()) wrong += suggestion(name.value, names);
  wrong += wrong.ends_with('?') ? " There are" : "; there are";
  for (const std::string_view each : names) {
    wrong.append(each == names.front() ? " " : ", ").append(each);
  }
  errors.add(draft.access_format->place, wrong);
}

// Where the format is not known to be missing.
void choose_format(ConfDraft& draft, ConfErrors& errors) {
  LogFormat& format = draft.config.access_log.format;
  if (!draft.access_format) return;
  const std::string& name = draft.access_format->name.value;
  if (name == "text") return;
  if (name == "json") {
    format.form = LogForm::json;
  } else if (const auto found = draft.log_formats.find(name); found != draft.log_formats.end()) {
    format = found->second.format;
  } else {
    if (!draft.incomplete) refuse_format(draft, errors);
    return;
  }
  format.most_value_bytes = draft.log_value_bytes;
}

}  // namespace

void resolve_logs(ConfDraft& draft, ConfErrors& errors, std::vector<std::string>& warnings) {
  choose_format(draft, errors);
  for (const auto& [name, format] : draft.log_formats) {
    if (draft.access_format && draft.access_format->name.value == name) continue;
    warnings.push_back(text_at(
        format.place, "log_format " + quoted(format.name.text) + " is used by no access_log"));
  }
  if (draft.log_mask_at && !draft.config.log_query) {
    warnings.push_back(
        text_at(*draft.log_mask_at, "log_mask: log_query is off, so that logs show no query"));
  }
}

}  // namespace sluice
