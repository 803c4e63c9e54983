// An entry is a question (a byte, and what it is about) and its answer, made of numbers of four
// bytes, in the machine's order, and of texts with their length before them.
#include "core/conf/recording.h"

#include <cerrno>
#include <cstring>

namespace sluice {

namespace {

enum Question : uint8_t {
  ask_read = 1,
  ask_glob,
  ask_variable,
  ask_resolve,
  ask_user_id,
  ask_group_id,
  ask_group_name,
  ask_writable,
  ask_working_folder,
  ask_bindable,
};

void add_number(std::string& entry, uint32_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  entry.append(bytes, sizeof bytes);
}

void add_text(std::string& entry, std::string_view text) {
  add_number(entry, static_cast<uint32_t>(text.size()));
  entry += text;
}

std::string entry_of(Question question, std::string_view about) {
  std::string entry(1, static_cast<char>(question));
  add_text(entry, about);
  return entry;
}

// What is resolved, as one text.
std::string text_of(const NameQuestion& question) {
  return question.host + (question.service ? " service" : " " + std::to_string(question.port));
}

template <class Id>
void add_id(std::string& entry, const std::optional<Id>& id) {
  add_number(entry, id ? 1 : 0);
  add_number(entry, id ? static_cast<uint32_t>(*id) : 0);
}

}  // namespace

// --- recording

void RecordingInputs::add(std::string_view bytes) {
  full_ = full_ || !record_.append(bytes);
}

int RecordingInputs::read(const std::string& path, Secret& content, FileFacts& facts) {
  const size_t before = content.view().size();
  const int error = asked_.read(path, content, facts);
  const std::string_view fresh = content.view().substr(before);
  std::string entry = entry_of(ask_read, path);
  add_number(entry, static_cast<uint32_t>(error));
  add_text(entry, facts.canonical_path);
  add_number(entry, facts.open_to_others ? 1 : 0);
  add_id(entry, facts.open_to_group ? std::optional(facts.open_to_group->id) : std::nullopt);
  add_number(entry, facts.open_to_group && facts.open_to_group->of_process ? 1 : 0);
  add_number(entry, static_cast<uint32_t>(fresh.size()));
  add(entry);
  add(fresh);
  return error;
}

std::vector<std::string> RecordingInputs::glob(const std::string& pattern) {
  std::vector<std::string> paths = asked_.glob(pattern);
  std::string entry = entry_of(ask_glob, pattern);
  add_number(entry, static_cast<uint32_t>(paths.size()));
  for (const std::string& path : paths) add_text(entry, path);
  add(entry);
  return paths;
}

std::optional<std::string> RecordingInputs::variable(const std::string& name) {
  std::optional<std::string> value = asked_.variable(name);
  std::string entry = entry_of(ask_variable, name);
  add_number(entry, value ? 1 : 0);
  add_number(entry, value ? static_cast<uint32_t>(value->size()) : 0);
  add(entry);
  if (value) add(*value);
  return value;
}

Result<NameTargets> RecordingInputs::resolve(const NameQuestion& question) {
  Result<NameTargets> found = asked_.resolve(question);
  std::string entry = entry_of(ask_resolve, text_of(question));
  add_number(entry, found.ok() ? static_cast<uint32_t>(found.value().size()) : 0);
  if (!found.ok()) {
    add_text(entry, found.fault().what);
    add_number(entry, static_cast<uint32_t>(found.fault().error));
  } else {
    for (const NameTarget& target : found.value()) {
      add_number(entry, target.priority);
      add_number(entry, target.weight);
      add_text(entry,
               {reinterpret_cast<const char*>(target.address.raw()), target.address.raw_length()});
    }
  }
  add(entry);
  return found;
}

std::optional<uid_t> RecordingInputs::user_id(const std::string& name) {
  const std::optional<uid_t> id = asked_.user_id(name);
  std::string entry = entry_of(ask_user_id, name);
  add_id(entry, id);
  add(entry);
  return id;
}

std::optional<gid_t> RecordingInputs::group_id(const std::string& name) {
  const std::optional<gid_t> id = asked_.group_id(name);
  std::string entry = entry_of(ask_group_id, name);
  add_id(entry, id);
  add(entry);
  return id;
}

std::string RecordingInputs::group_name(gid_t id) {
  std::string name = asked_.group_name(id);
  std::string entry = entry_of(ask_group_name, std::to_string(id));
  add_text(entry, name);
  add(entry);
  return name;
}

int RecordingInputs::writable(const std::string& path) {
  const int error = asked_.writable(path);
  std::string entry = entry_of(ask_writable, path);
  add_number(entry, static_cast<uint32_t>(error));
  add(entry);
  return error;
}

int RecordingInputs::bindable(const Address& address) {
  const int error = asked_.bindable(address);
  std::string entry = entry_of(ask_bindable, address.text());
  add_number(entry, static_cast<uint32_t>(error));
  add(entry);
  return error;
}

std::string RecordingInputs::working_folder() {
  std::string folder = asked_.working_folder();
  std::string entry = entry_of(ask_working_folder, "");
  add_text(entry, folder);
  add(entry);
  return folder;
}

// --- replaying

void RecordedInputs::expect(uint8_t question, std::string_view about) {
  strayed_ = strayed_ || left_.empty() || static_cast<uint8_t>(left_.front()) != question;
  if (strayed_) return;
  left_.remove_prefix(1);
  if (text() != about) strayed_ = true;
}

uint32_t RecordedInputs::number() {
  uint32_t number = 0;
  strayed_ = strayed_ || left_.size() < sizeof number;
  if (strayed_) return 0;
  std::memcpy(&number, left_.data(), sizeof number);
  left_.remove_prefix(sizeof number);
  return number;
}

std::string_view RecordedInputs::text() {
  const uint32_t bytes = number();
  strayed_ = strayed_ || left_.size() < bytes;
  if (strayed_) return {};
  const std::string_view text = left_.substr(0, bytes);
  left_.remove_prefix(bytes);
  return text;
}

int RecordedInputs::read(const std::string& path, Secret& content, FileFacts& facts) {
  expect(ask_read, path);
  const auto error = static_cast<int>(number());
  facts = FileFacts{.canonical_path = std::string(text())};
  facts.open_to_others = number() != 0;
  const bool has_group = number() != 0;
  const gid_t group = number();
  const bool of_process = number() != 0;
  if (has_group) facts.open_to_group = {group, of_process};
  const std::string_view bytes = text();
  if (strayed_) return ENOENT;
  if (!content.append(bytes)) return EFBIG;
  return error;
}

std::vector<std::string> RecordedInputs::glob(const std::string& pattern) {
  expect(ask_glob, pattern);
  std::vector<std::string> paths;
  for (uint32_t count = number(); count > 0 && !strayed_; --count) paths.emplace_back(text());
  return paths;
}

std::optional<std::string> RecordedInputs::variable(const std::string& name) {
  expect(ask_variable, name);
  const bool set = number() != 0;
  const std::string_view value = text();
  if (!set || strayed_) return std::nullopt;
  return std::string(value);
}

Result<NameTargets> RecordedInputs::resolve(const NameQuestion& question) {
  expect(ask_resolve, text_of(question));
  NameTargets found;
  uint32_t count = number();
  if (count == 0) {
    const std::string& what = faults_.emplace_back(text());
    const auto error = static_cast<int>(number());
    return Fault{strayed_ ? "not in the recording" : what.c_str(), error};
  }
  for (; count > 0 && !strayed_; --count) {
    const auto priority = static_cast<uint16_t>(number());
    const auto weight = static_cast<uint16_t>(number());
    const std::string_view raw = text();
    sockaddr_storage address{};
    strayed_ = strayed_ || raw.size() > sizeof address || raw.size() < sizeof address.ss_family;
    if (strayed_) break;
    std::memcpy(&address, raw.data(), raw.size());
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    found.push_back(
        {Address::from_sockaddr(any, static_cast<socklen_t>(raw.size())), priority, weight});
  }
  if (strayed_) return Fault{"not in the recording"};
  return found;
}

std::optional<uid_t> RecordedInputs::user_id(const std::string& name) {
  expect(ask_user_id, name);
  const bool known = number() != 0;
  const uid_t id = number();
  return known && !strayed_ ? std::optional(id) : std::nullopt;
}

std::optional<gid_t> RecordedInputs::group_id(const std::string& name) {
  expect(ask_group_id, name);
  const bool known = number() != 0;
  const gid_t id = number();
  return known && !strayed_ ? std::optional(id) : std::nullopt;
}

std::string RecordedInputs::group_name(gid_t id) {
  expect(ask_group_name, std::to_string(id));
  return std::string(text());
}

int RecordedInputs::writable(const std::string& path) {
  expect(ask_writable, path);
  const auto error = static_cast<int>(number());
  return strayed_ ? EACCES : error;
}

int RecordedInputs::bindable(const Address& address) {
  expect(ask_bindable, address.text());
  const auto error = static_cast<int>(number());
  return strayed_ ? EADDRNOTAVAIL : error;
}

std::string RecordedInputs::working_folder() {
  expect(ask_working_folder, "");
  return std::string(text());
}

}  // namespace sluice
