// A file is known by its canonical path as well: whoever replaces a link's target is noticed.
#include "core/conf/named_file.h"

#include <cstring>

#include "core/conf/expand.h"

namespace sluice {

void read_named_file(const SetterCall& call, const Word& word, Secret& content,
                     const std::function<void(const FileFacts&)>& judge) {
  FileFacts facts;
  const std::string path = resolve_path(call.statement.folder, word.value);
  const int error = call.draft.inputs.read(path, content, facts);
  std::vector<std::string>& files = call.draft.config.tls_files;
  files.push_back(path);
  if (!facts.canonical_path.empty() && facts.canonical_path != path) {
    files.push_back(facts.canonical_path);
  }
  judge(facts);
  if (error != 0) throw ConfProblem{quoted(word.text) + " cannot be read: " + std::strerror(error)};
}

void refuse_file(const Word& word, const Fault& fault) {
  throw ConfProblem{quoted(word.text) + ": " + fault.text()};
}

void check_private(const Word& word, const FileFacts& facts, ConfInputs& inputs) {
  const std::string advice =
      "; chmod it to 600, or to 640 with the group root, ssl-cert or one that sluice runs in";
  if (facts.open_to_others) {
    throw ConfProblem{quoted(word.text) + " can be read or written by everybody" + advice};
  }
  const auto& group = facts.open_to_group;
  if (!group || group->id == 0 || group->of_process) return;
  const std::string name = inputs.group_name(group->id);
  if (name == "ssl-cert") return;
  throw ConfProblem{quoted(word.text) + " can be read or written by the group " + quoted(name) +
                    advice};
}

}  // namespace sluice
