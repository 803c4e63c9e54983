// nlohmann reads the text twice: first for what is wrong with it, where it can be left at once,
// then for its value.
#include "protocol/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

namespace {

using nlohmann::json;

// Each answer says whether to go on.
class Judge final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return inside(); }
  bool boolean(bool) override { return inside(); }
  bool number_integer(number_integer_t) override { return inside(); }
  bool number_unsigned(number_unsigned_t) override { return inside(); }
  bool number_float(number_float_t, const string_t&) override { return inside(); }
  bool string(string_t&) override { return inside(); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return inside() && enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override { return open_.back().insert(name).second; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  // The whole is an object.
  bool inside() const { return !open_.empty(); }
  bool enter() {
    open_.emplace_back();
    return open_.size() <= most_json_depth;
  }
  bool leave() {
    open_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> open_;  // members of the objects that are open
};

}  // namespace

std::optional<json> parse_json_object(std::string_view text) {
  Judge judge;
  if (!json::sax_parse(text, &judge)) return std::nullopt;
  return json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
}

}  // namespace sluice
