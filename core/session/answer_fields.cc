// A field that is set replaces all of its name; without a value the upstream's own must not pass
// for it.
#include "core/session/answer_fields.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/session/facts.h"

namespace sluice {

namespace {

void remove_fields(AnswerHead& answer, std::string_view name) {
  std::erase_if(answer.fields, [name](const HeaderField& field) {
    return equals_ignoring_case(field.name, name);
  });
}

}  // namespace

void change_answer(const SessionContext& lent, const RouteConfig& route,
                   const ClientRequest& client, AnswerHead& answer) {
  for (const std::string& name : route.remove_answer_headers) remove_fields(answer, name);
  if (route.set_answer_headers.empty()) return;
  const Facts facts(lent, client);
  for (const HeaderSetting& header : route.set_answer_headers) {
    remove_fields(answer, header.name);
    std::optional<std::string> value = header.value.filled(facts);
    if (!value || value->empty() || !header_value_valid(*value)) continue;
    answer.add_made(header.name, *std::move(value));
  }
}

}  // namespace sluice
