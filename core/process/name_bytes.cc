// Numbers are in the machine's byte order, and lists and texts begin with their length.
#include "core/process/name_bytes.h"

#include <cstdint>
#include <cstring>

namespace sluice {

namespace {

template <class Number>
void add(std::string& bytes, Number number) {
  char raw[sizeof number];
  std::memcpy(raw, &number, sizeof number);
  bytes.append(raw, sizeof raw);
}

void add_text(std::string& bytes, std::string_view text) {
  add(bytes, static_cast<uint32_t>(text.size()));
  bytes += text;
}

void add_target(std::string& bytes, const NameTarget& target) {
  add_text(bytes, target.address.text());
  add(bytes, target.priority);
  add(bytes, target.weight);
}

// Takes parts from the beginning; once one was missing, nothing comes any more.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : left_(bytes) {}

  template <class Number>
  Number number() {
    Number number = 0;
    good_ = good_ && left_.size() >= sizeof number;
    if (!good_) return 0;
    std::memcpy(&number, left_.data(), sizeof number);
    left_.remove_prefix(sizeof number);
    return number;
  }
  std::string text() {
    const auto size = number<uint32_t>();
    good_ = good_ && left_.size() >= size;
    if (!good_) return "";
    std::string text(left_.substr(0, size));
    left_.remove_prefix(size);
    return text;
  }
  NameTarget target() {
    const Result<Address> address = Address::parse(text());
    good_ = good_ && address.ok() && !address.value().is_unix();
    NameTarget target;
    if (good_) target.address = address.value();
    target.priority = number<uint16_t>();
    target.weight = number<uint16_t>();
    return target;
  }
  bool good() const { return good_; }
  bool used_up() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::string bytes_of(const NameAnswers& answers) {
  std::string bytes;
  for (const auto& [question, targets] : answers) {
    add_text(bytes, question.host);
    add(bytes, question.port);
    add(bytes, static_cast<uint8_t>(question.service));
    add(bytes, static_cast<uint32_t>(targets.size()));
    for (const NameTarget& target : targets) add_target(bytes, target);
  }
  return bytes;
}

std::optional<NameAnswers> answers_from(std::string_view bytes, size_t most_targets) {
  Parts parts(bytes);
  std::optional<NameAnswers> answers(std::in_place);
  while (parts.good() && !parts.used_up()) {
    NameQuestion question;
    question.host = parts.text();
    question.port = parts.number<uint16_t>();
    question.service = parts.number<uint8_t>() != 0;
    NameTargets targets;
    auto count = parts.number<uint32_t>();
    if (count > most_targets) return std::nullopt;
    for (; count > 0 && parts.good(); --count) {
      const NameTarget& target = targets.emplace_back(parts.target());
      if (!question.service && target.address.port() != question.port) return std::nullopt;
    }
    if (targets.empty() || !answers->emplace(std::move(question), std::move(targets)).second) {
      return std::nullopt;
    }
  }
  if (!parts.good()) return std::nullopt;
  return answers;
}

std::string bytes_of(const Members& members) {
  std::string bytes;
  add(bytes, members.generation);
  for (const NamedMembers& each : members.named) {
    add(bytes, static_cast<uint32_t>(each.upstream));
    add(bytes, each.server);
    add(bytes, static_cast<uint32_t>(each.targets.size()));
    for (size_t i = 0; i < each.targets.size(); ++i) {
      add_target(bytes, each.targets[i]);
      add(bytes, static_cast<uint32_t>(each.ids[i]));
    }
  }
  return bytes;
}

std::optional<Members> members_from(std::string_view bytes) {
  Parts parts(bytes);
  std::optional<Members> members(std::in_place);
  members->generation = parts.number<uint32_t>();
  UpstreamId last{};
  while (parts.good() && !parts.used_up()) {
    NamedMembers& named = members->named.emplace_back();
    named.upstream = UpstreamId{parts.number<uint32_t>()};
    if (named.upstream < last) return std::nullopt;
    last = named.upstream;
    named.server = parts.number<uint32_t>();
    for (auto count = parts.number<uint32_t>(); count > 0 && parts.good(); --count) {
      named.targets.push_back(parts.target());
      named.ids.push_back(PeerId{parts.number<uint32_t>()});
    }
  }
  if (!parts.good()) return std::nullopt;
  return members;
}

}  // namespace sluice
