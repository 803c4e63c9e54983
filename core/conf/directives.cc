// The table as a whole, in the order of the reference, and who inherits what by its rows.
#include "core/conf/directives.h"

#include <algorithm>
#include <vector>

#include "core/conf/rows.h"
#include "core/conf/suggest.h"

namespace sluice {

std::span<const Directive* const> directives() {
  static const std::vector<const Directive*> all = [] {
    std::vector<const Directive*> rows;
    for (const auto& part :
         {top_rows(), listen_rows(), upstream_rows(), upstream_http_rows(), upstream_tls_rows(),
          route_rows(), admission_rows(), auth_rows(), jwt_rows(), http_rows()}) {
      for (const Directive& row : part) rows.push_back(&row);
    }
    return rows;
  }();
  return all;
}

const Directive* find_directive(std::string_view name) {
  const auto all = directives();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [name](const Directive* row) { return row->name == name; });
  return found == all.end() ? nullptr : *found;
}

std::string suggest_directive(std::string_view name, const Directive*& meant) {
  std::vector<std::string_view> names;
  for (const Directive* row : directives()) names.push_back(row->name);
  meant = find_directive(nearest(name, names));
  return suggestion(name, names);
}

Settings settings_for(Section kind, std::initializer_list<const SectionDraft*> levels) {
  Settings all;
  for (const Directive* row : directives()) {
    if (row->inherit == nullptr || (row->sections & bit(kind)) == 0) continue;
    const auto giver = std::find_if(levels.begin(), levels.end(), [&](const SectionDraft* level) {
      return level != nullptr && level->given.count(row) > 0;
    });
    if (giver != levels.end()) row->inherit((*giver)->settings, all);
  }
  return all;
}

}  // namespace sluice
