// Texts are told apart by NUL bytes between their parts, which no part can hold.
#include "core/conf/conf_ids.h"

#include <string_view>

namespace sluice {

namespace {

uint32_t number_in(std::map<std::string, uint32_t>& all, const std::string& text) {
  return all.emplace(text, static_cast<uint32_t>(all.size())).first->second;
}

std::string uri_text(const ServerUri& uri) {
  return (uri.secure ? "wss://" : "ws://") + uri.authority + uri.path;
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

}  // namespace

UpstreamId ConfIds::upstream(const std::string& name) {
  return UpstreamId{number_in(upstreams_, name)};
}

PeerId ConfIds::peer(UpstreamId upstream, const Address& address, const ServerUri& uri) {
  std::string text = std::to_string(static_cast<uint32_t>(upstream));
  for (const std::string& part : {address.text(), uri_text(uri)}) (text += '\0') += part;
  return PeerId{number_in(peers_, text)};
}

ListenerId ConfIds::listener(const Address& address) {
  return ListenerId{number_in(listeners_, address.text())};
}

RouteKey key_of(const RouteConfig& route) {
  Hash hash;
  hash.add(route.path);
  hash.add(route.match_host);
  for (const HeaderMatch& match : route.match_headers) {
    hash.add(match.name);
    hash.add(match.value);
  }
  return RouteKey{hash.value()};
}

}  // namespace sluice
