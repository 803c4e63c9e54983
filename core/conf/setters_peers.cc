// Setters of listeners and upstreams and of everything that names a peer.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/conf/setters.h"
#include "core/conf/variables.h"
#include "protocol/ascii.h"
#include "protocol/uri.h"

namespace sluice::setters {

namespace {

constexpr const char* server_forms = "; write ws[s]://HOST:PORT/PATH or ws[s]://unix:/SOCKET:/PATH";

bool is_uri(const std::string& text) {
  return text.find("://") != std::string::npos;
}

// A guess at the URI meant by a word without a scheme, or with one that others have; "" where there
// is no good guess. It is made of the word as it stands in the file, so it tells no secret.
std::string meant_uri(const std::string& text) {
  static constexpr std::pair<std::string_view, std::string_view> schemes[] = {{"h2c://", "http://"},
                                                                              {"tcp://", "ws://"}};
  std::string meant;
  for (const auto& [theirs, ours] : schemes) {
    if (lower_case(text).starts_with(theirs)) {
      meant = std::string(ours) + text.substr(theirs.size());
    }
  }
  if (meant.empty() && !is_uri(text)) meant = "ws://" + text;
  return !meant.empty() && parse_server_uri(meant).ok() ? meant : "";
}

std::string advice_for(const Word& word) {
  const std::string meant = word.expanded() ? "" : meant_uri(word.text);
  return meant.empty() ? server_forms : "; write " + meant;
}

void warn_of_odd_uri(const SetterCall& call, const Word& word, const ServerUri& uri) {
  const size_t end = uri.unix_path.find(".sock/");
  if (end != std::string::npos) {
    const size_t cut = word.text.find(".sock/") + 5;
    call.warn(quoted(word.text) +
              (word.expanded() ? ": a path behind the socket follows a colon"
                               : ": the socket would be " + quoted(uri.unix_path) +
                                     "; a path behind it follows a colon: " +
                                     word.text.substr(0, cut) + ":" + word.text.substr(cut)));
  }
  if (const std::string variable = variable_in(word); !variable.empty()) {
    call.warn(quoted(variable) + " is part of the path as it stands; there are no variables here");
  }
}

// Whether somebody could be asked for it (RFC 1035 2.3.4).
bool askable(std::string_view name) {
  constexpr size_t most_name_bytes = 253;
  constexpr size_t most_label_bytes = 63;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > most_name_bytes) return false;
  while (true) {
    const size_t dot = std::min(name.find('.'), name.size());
    if (dot == 0 || dot > most_label_bytes) return false;
    if (dot == name.size()) return true;
    name.remove_prefix(dot + 1);
  }
}

NameQuestion question_of(const ServerUri& uri, const Word& word) {
  const NameQuestion question = uri.service.empty()
                                    ? NameQuestion{lower_case(uri.host), uri.port, false}
                                    : NameQuestion{uri.service, 0, true};
  if (askable(question.host)) return question;
  throw ConfProblem{quoted(word.text) +
                    ": its host is no name: labels of 1 to 63 bytes, joined by dots, 253 in all"};
}

bool name_byte(char byte) {
  return std::isalnum(static_cast<unsigned char>(byte)) != 0 || byte == '-' || byte == '_' ||
         byte == '.';
}

// "mode=0660", "owner=USER", "group=GROUP".
void set_access(const SetterCall& call, const std::string& name, const std::string& value,
                const Word& word) {
  sys::SocketFileAccess& access = call.section.as<ListenDraft>().socket_file;
  if (name == "mode") {
    access.mode = mode_of(value, word);
  } else if (name == "owner") {
    const std::optional<uid_t> id = call.draft.inputs.user_id(value);
    if (!id) throw ConfProblem{quoted(word.text) + ": there is no such user on this machine"};
    access.owner = *id;
  } else {
    const std::optional<gid_t> id = call.draft.inputs.group_id(value);
    if (!id) throw ConfProblem{quoted(word.text) + ": there is no such group on this machine"};
    access.group = *id;
  }
}

// The words behind a listener's address.
void take_options(const SetterCall& call, bool is_unix) {
  std::set<std::string> given;
  for (size_t i = 2; i <= call.arguments(); ++i) {
    const Word& word = call.word(i);
    const size_t equals = word.value.find('=');
    const std::string name = word.value.substr(0, equals);
    const bool of_file = name == "mode" || name == "owner" || name == "group";
    if (equals == std::string::npos || (!of_file && name != "backlog")) {
      throw ConfProblem{quoted(word.text) +
                        ": behind the address only backlog=, and mode=, owner= and group= of a "
                        "unix socket"};
    }
    if (of_file && !is_unix) {
      throw ConfProblem{quoted(word.text) + ": only unix:/PATH has a mode, an owner and a group"};
    }
    if (!given.insert(name).second) throw ConfProblem{name + "= is given twice"};
    if (of_file) {
      set_access(call, name, word.value.substr(equals + 1), word);
    } else {
      call.section.as<ListenDraft>().backlog = named_number(word, "backlog", 1, 65'535);
    }
  }
}

}  // namespace

ServerDraft server_of(const SetterCall& call, const Word& word) {
  const Result<ServerUri> parsed = parse_server_uri(word.value);
  if (!parsed.ok()) {
    throw ConfProblem{quoted(word.text) + " is not a server's URI (" + parsed.fault().text() + ")" +
                      advice_for(word)};
  }
  const ServerUri& uri = parsed.value();
  if (uri.host.find('$') != std::string::npos) {
    throw ConfProblem{quoted(word.text) + ": there are no variables here, write the host's name"};
  }
  warn_of_odd_uri(call, word, uri);
  ServerDraft server;
  server.like.uri = uri;
  server.place = call.statement.place;
  server.shown = call.statement.words[0].text + ": " + quoted(word.text);
  if (!uri.service.empty()) {
    server.question = question_of(uri, word);
    return server;
  }
  if (uri.unix_path.empty() && uri.port == 0) {
    throw ConfProblem{quoted(word.text) + ": the port must be 1 to 65535"};
  }
  const Result<Address> address = uri.unix_path.empty() ? Address::from_ip(uri.host, uri.port)
                                                        : Address::from_unix_path(uri.unix_path);
  if (address.ok()) {
    server.like.address = address.value();
    server.like.name = address.value().text();
  } else if (uri.unix_path.empty()) {
    server.question = question_of(uri, word);
  } else {
    throw ConfProblem{quoted(word.text) + ": " + address.fault().text()};
  }
  return server;
}

void listen(const SetterCall& call) {
  const Word& word = call.word(1);
  const Result<Address> address = Address::parse(word.value);
  if (!address.ok()) {
    std::string meant;
    if (word.value.starts_with("*:")) meant = word.text.substr(2);
    if (word.value.starts_with("localhost:")) meant = "127.0.0.1" + word.text.substr(9);
    throw ConfProblem{quoted(word.text) + " is not an address (" + address.fault().text() + "); " +
                      (meant.empty() || word.expanded()
                           ? "write PORT, IP:PORT, [IPV6]:PORT or unix:/PATH"
                           : "write " + meant)};
  }
  if (address.value().is_unix()) {
    if (!address.value().unix_path().starts_with('/')) {
      throw ConfProblem{quoted(word.text) + ": the path of a unix socket begins with /"};
    }
  } else if (address.value().port() == 0) {
    throw ConfProblem{quoted(word.text) + ": the port must be 1 to 65535"};
  }
  take_options(call, address.value().is_unix());
  call.section.as<ListenDraft>().address = address.value();
  call.section.label = quoted(word.text);
}

void control(const SetterCall& call) {
  const Word& word = call.word(1);
  if (word.value == "off" && call.arguments() == 1) {
    call.draft.config.control.reset();
    return;
  }
  const Result<Address> address = Address::parse(word.value);
  if (!address.ok() || !address.value().is_unix() ||
      !address.value().unix_path().starts_with('/')) {
    throw ConfProblem{
        quoted(word.text) + " is not unix:/PATH, nor off alone" +
        (word.value.starts_with('/') && !word.expanded() ? "; write unix:" + word.text : "")};
  }
  ControlConfig& control = call.draft.config.control.emplace();
  control.address = address.value();
  if (call.arguments() == 1) return;
  const Word& mode = call.word(2);
  if (!mode.value.starts_with("mode=")) {
    throw ConfProblem{quoted(mode.text) + ": behind the socket only mode="};
  }
  control.file.mode = mode_of(mode.value.substr(5), mode);
}

void upstream(const SetterCall& call) {
  const Word& word = call.word(1);
  constexpr size_t most_bytes = 64;
  if (word.value.empty() || word.value.size() > most_bytes ||
      !std::all_of(word.value.begin(), word.value.end(), name_byte)) {
    throw ConfProblem{quoted(word.text) +
                      " is not a name: up to 64 letters, digits, \"-\", \"_\" and \".\""};
  }
  call.section.as<UpstreamDraft>().name = word.value;
  call.section.label = quoted(word.text);
}

void server(const SetterCall& call) {
  // HAProxy's servers have a name before their address; hint_for_arguments() goes on from here.
  if (call.arguments() > 1 && !is_uri(call.word(1).value) &&
      parse_server_uri("ws://" + call.word(2).value).ok() && call.word(2).value != "backup" &&
      call.word(2).value.find('=') == std::string::npos) {
    throw ConfProblem{quoted(call.word(1).text) + " is not a server's URI"};
  }
  ServerDraft server = server_of(call, call.word(1));
  server_options(call, server.like);
  call.section.as<UpstreamDraft>().servers.push_back(std::move(server));
}

void proxy_pass(const SetterCall& call) {
  RouteDraft& own = call.section.as<RouteDraft>();
  const Word& word = call.word(1);
  if (is_uri(word.value)) {
    own.server = server_of(call, call.word(1));
  } else if (word.value.find_first_of(":/") != std::string::npos || word.value.empty()) {
    throw ConfProblem{quoted(word.text) + " is neither an upstream's name nor a server's URI" +
                      advice_for(word)};
  }
  own.proxy_pass = word;
}

}  // namespace sluice::setters
