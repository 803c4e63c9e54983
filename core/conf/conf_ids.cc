// Texts are told apart by NUL bytes between their parts, which no part can hold.
#include "core/conf/conf_ids.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

namespace {

uint32_t number_in(std::map<std::string, uint32_t>& all, const std::string& text) {
  return all.emplace(text, static_cast<uint32_t>(all.size())).first->second;
}

void add_number(std::string& bytes, size_t number) {
  const auto value = static_cast<uint32_t>(number);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  bytes.append(raw, sizeof raw);
}

bool take_number(std::string_view& bytes, uint32_t& number) {
  if (bytes.size() < sizeof number) return false;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return true;
}

// The texts by their numbers, which are less than `count`, each with its length before it, behind
// the count. A number that is free has no text.
void add_texts(std::string& bytes, const std::map<std::string, uint32_t>& all, size_t count) {
  std::vector<const std::string*> by_number(count);
  for (const auto& [text, number] : all) by_number[number] = &text;
  add_number(bytes, by_number.size());
  for (const std::string* text : by_number) {
    add_number(bytes, text != nullptr ? text->size() : 0);
    if (text != nullptr) bytes += *text;
  }
}

bool take_texts(std::string_view& bytes, std::map<std::string, uint32_t>& all,
                std::set<uint32_t>& free) {
  uint32_t count = 0;
  if (!take_number(bytes, count)) return false;
  for (uint32_t number = 0; number < count; ++number) {
    uint32_t length = 0;
    if (!take_number(bytes, length) || bytes.size() < length) return false;
    if (length == 0) {
      free.insert(number);
    } else if (!all.emplace(bytes.substr(0, length), number).second) {
      return false;  // it has a number
    }
    bytes.remove_prefix(length);
  }
  return true;
}

std::vector<std::string> by_number(const std::map<std::string, uint32_t>& all) {
  std::vector<std::string> texts(all.size());
  for (const auto& [text, number] : all) texts[number] = text;
  return texts;
}

// 64-bit FNV-1a, part by part.
class Hash {
 public:
  void add(std::string_view part) {
    for (const char byte : part) add_byte(static_cast<uint8_t>(byte));
    add_byte(0);
  }
  uint64_t value() const { return value_; }

 private:
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

void add_values(Hash& hash, const std::vector<ValueMatch>& values) {
  for (const ValueMatch& match : values) {
    hash.add(match.name);
    hash.add(match.value);
    if (match.pattern) hash.add(match.pattern.text());
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ",") + word;
  return all;
}

}  // namespace

UpstreamId ConfIds::upstream(const std::string& name) {
  return UpstreamId{number_in(upstreams_, name)};
}

PeerId ConfIds::peer(UpstreamId upstream, const Address& address, const ServerUri& uri) {
  return *peer_below(std::numeric_limits<size_t>::max(), upstream, address, uri);
}

std::optional<PeerId> ConfIds::peer_below(size_t most, UpstreamId upstream, const Address& address,
                                          const ServerUri& uri) {
  std::string text = std::to_string(static_cast<uint32_t>(upstream));
  for (const std::string& part : {address.text(), text_of(uri)}) (text += '\0') += part;
  if (const auto known = peers_.find(text); known != peers_.end()) return PeerId{known->second};
  const auto fresh =
      free_peers_.empty() ? static_cast<uint32_t>(peers_.size()) : *free_peers_.begin();
  if (fresh >= most) return std::nullopt;
  peers_.emplace(std::move(text), fresh);
  free_peers_.erase(fresh);
  return PeerId{fresh};
}

void ConfIds::release(const std::set<PeerId>& ids) {
  if (ids.empty()) return;
  std::erase_if(peers_, [&](const auto& each) {
    if (ids.count(PeerId{each.second}) == 0) return false;
    free_peers_.insert(each.second);
    return true;
  });
}

ListenerId ConfIds::listener(const Address& address) {
  return ListenerId{number_in(listeners_, address.text())};
}

RouteId ConfIds::route(const std::string& label) {
  return RouteId{number_in(routes_, label)};
}

std::vector<std::string> ConfIds::route_labels() const {
  return by_number(routes_);
}

std::vector<std::string> ConfIds::listener_labels() const {
  return by_number(listeners_);
}

std::optional<UpstreamId> ConfIds::known_upstream(const std::string& name) const {
  const auto found = upstreams_.find(name);
  if (found == upstreams_.end()) return std::nullopt;
  return UpstreamId{found->second};
}

bool ConfIds::knows_server(UpstreamId upstream, const ServerUri& uri) const {
  const std::string begin = std::to_string(static_cast<uint32_t>(upstream)) + '\0';
  const std::string end = '\0' + text_of(uri);
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& each) {
    return each.first.starts_with(begin) && each.first.ends_with(end);
  });
}

std::optional<ListenerId> ConfIds::known_listener(const Address& address) const {
  const auto found = listeners_.find(address.text());
  if (found == listeners_.end()) return std::nullopt;
  return ListenerId{found->second};
}

std::string ConfIds::bytes() const {
  std::string bytes;
  add_texts(bytes, upstreams_, upstreams_.size());
  add_texts(bytes, peers_, peers());
  add_texts(bytes, listeners_, listeners_.size());
  add_texts(bytes, routes_, routes_.size());
  return bytes;
}

std::optional<ConfIds> ConfIds::from(std::string_view& bytes) {
  std::optional<ConfIds> ids(std::in_place);
  std::set<uint32_t> none;
  if (!take_texts(bytes, ids->upstreams_, none) ||
      !take_texts(bytes, ids->peers_, ids->free_peers_) ||
      !take_texts(bytes, ids->listeners_, none) || !take_texts(bytes, ids->routes_, none) ||
      !none.empty()) {
    return std::nullopt;
  }
  return ids;
}

RouteKey key_of(const RouteConfig& route) {
  Hash hash;
  hash.add(route.name());
  hash.add(joined(route.match_hosts));
  add_values(hash, route.match_headers);
  // What older binaries did not know stands behind a word of its own, so that keys stay as they
  // were where a route does not use it.
  const auto add_behind = [&hash](const char* word, const std::string& value) {
    if (value.empty()) return;
    hash.add(word);
    hash.add(value);
  };
  for (const Cidr& range : route.match_clients.ranges) add_behind("client", range.text());
  if (route.match_clients.unix_sockets) add_behind("client", "unix");
  for (const Address& each : route.match_listeners) add_behind("listener", each.text());
  add_behind("method", joined(route.match_methods));
  if (!route.match_queries.empty()) hash.add("query");
  add_values(hash, route.match_queries);
  if (!route.match_cookies.empty()) hash.add("cookie");
  add_values(hash, route.match_cookies);
  return RouteKey{hash.value()};
}

std::string label_of(const RouteConfig& route) {
  std::string label = joined(route.match_hosts) + route.name();
  for (const ValueMatch& match : route.match_headers) label += "[" + match.name + "]";
  for (const ValueMatch& match : route.match_queries) label += "[?" + match.name + "]";
  for (const ValueMatch& match : route.match_cookies) label += "[cookie " + match.name + "]";
  if (!route.match_clients.none()) label += "[client]";
  for (const Address& each : route.match_listeners) label += "[" + each.text() + "]";
  if (!route.match_methods.empty()) label += "[" + joined(route.match_methods) + "]";
  return label;
}

}  // namespace sluice
