// The draft: a conf's lines, section by section, before inheritance and references are resolved.
// Passive data between reader, setters and resolver; nothing outside the conf loader includes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/conf/bundle.h"
#include "core/conf/conf.h"
#include "core/conf/conf_ids.h"
#include "core/conf/expand.h"
#include "core/conf/inputs.h"
#include "tls/store.h"

namespace sluice {

struct Directive;

enum class Section : uint8_t { top, listen, upstream, route };

constexpr unsigned bit(Section section) {
  return 1u << static_cast<unsigned>(section);
}

// Where a line stands. `order` counts the lines of all files as they are read, so that an included
// file's errors come where its include line stands.
struct Place {
  std::string file;
  int line = 0;
  uint32_t order = 0;
};

// A warning about a line: "FILE:LINE: what".
inline std::string text_at(const Place& place, const std::string& what) {
  return ConfError{place.file, place.line, what}.text();
}

// A line or a value is wrong. Lexer, values and setters throw it; the reader, which knows the
// place, catches it.
struct ConfProblem {
  std::string what;
};

// A word as it stands in the file (quotes removed), which messages may print, and its expanded
// value, which they may not.
struct Word {
  std::string text;
  std::string value;
  std::vector<Span> verbatim = {};  // parts of `value` that hold no variables

  bool expanded() const { return text != value; }
};

struct Statement {
  Place place;
  std::string folder;       // of the file, with its final '/' or empty: relative paths begin there
  std::vector<Word> words;  // the directive's name first; never empty
  // Says what is wrong with the line's end (nginx's brace or semicolon, which `words` leave out),
  // or
  // "".
  std::string punctuation = {};
};

// Settings of TLS toward clients or servers, which a section may leave to the top.
struct TlsSettings : TlsPolicy {
  Pem client_authorities;
  VerifyClient verify_client = VerifyClient::off;
  bool verify = true;
  Pem authorities;
  std::string server_name;
};

// Settings that may stand both in a section and at the top. Each value is its directive's default
// until the section says it (SectionDraft::given); settings_for() puts those of several levels
// together.
struct Settings : ListenSettings, UpstreamSettings, RouteSettings, TlsSettings {};

// A tls_certificate, with the tls_key and tls_stapling_file behind it. Where its
// line is wrong it has no certificate, but lines that belong to it still find their place.
struct CertificateDraft {
  Credentials credentials;
  Place place;
  bool key_given = false;
};

// The part of a section that only its kind has.
struct TopDraft {
  std::vector<Word> ready_requires;
};

struct ListenDraft {
  Address address;
  sys::SocketFileAccess socket_file;
  uint32_t backlog = sys::default_backlog;
  uint32_t most_per_client = 0;
  std::vector<CertificateDraft> certificates;
};

// A `server` line, or a proxy_pass with a URI.
struct ServerDraft {
  PeerConfig like;                       // without a name's address
  std::optional<NameQuestion> question;  // nothing where the URI has an address
  Place place;
  std::string shown;  // the directive and the word, for messages: `server: "ws://chat.example"`
};

struct UpstreamDraft {
  std::string name;  // "" where the opening line was wrong
  std::vector<ServerDraft> servers;
};

// An auth_request line.
struct AuthRequestDraft {
  std::optional<ServerDraft> server;  // nothing: off
  std::string value;                  // the URI, expanded
  std::string target;                 // path and query
};

// An upstream_by line, its upstreams by their names.
struct UpstreamByDraft {
  HeaderValue value;
  std::vector<std::pair<std::string, Word>> choices;  // each value once
  std::optional<Word> otherwise;
};

struct RouteDraft {
  RouteConfig route;               // path and conditions
  std::optional<Word> proxy_pass;  // its argument
  std::optional<UpstreamByDraft> by;
  std::vector<Word> match_listeners;  // what each of the route's stands for
  std::optional<ServerDraft> server;  // of a proxy_pass with a URI; else nothing
};

struct SectionDraft {
  SectionDraft(Section kind, Place opened_at);

  Section kind() const { return static_cast<Section>(own_.index()); }
  // The part that only that kind has. The section must be of that kind.
  template <class Own>
  Own& as() {
    return std::get<Own>(own_);
  }
  template <class Own>
  const Own& as() const {
    return std::get<Own>(own_);
  }

  Place place;
  std::string label;  // `upstream "chat"`, unexpanded; empty where the opening line was wrong
  std::map<const Directive*, Place> given;
  struct Line {
    const Directive* row;
    Statement statement;
  };
  std::vector<Line> lines;  // those that are good, as read; a section's own first
  Settings settings;
  std::vector<HeaderSetting> set_headers;
  std::vector<std::string> remove_headers;
  std::vector<std::string> keep_headers;
  std::vector<HeaderSetting> set_answer_headers;
  std::vector<std::string> remove_answer_headers;
  AccessRules access;
  // tls_client_certificate. The key comes with a line of its own; without a certificate where its
  // line is wrong.
  std::optional<Credentials> client_credentials;
  std::optional<AuthRequestDraft> auth_request;  // nothing: there is no such line

 private:
  std::variant<TopDraft, ListenDraft, UpstreamDraft, RouteDraft> own_;  // in Section's order
};

inline SectionDraft::SectionDraft(Section kind, Place opened_at) : place(std::move(opened_at)) {
  if (kind == Section::listen) own_.emplace<ListenDraft>();
  if (kind == Section::upstream) own_.emplace<UpstreamDraft>();
  if (kind == Section::route) own_.emplace<RouteDraft>();
}

// A log_format, and who names one.
struct LogFormatDraft {
  Word name;
  LogFormat format;
  Place place;
};
struct LogFormatUse {
  Word name;
  Place place;
};

struct ConfDraft {
  ConfDraft(ConfInputs& machine, const ConfOptions& chosen)
      : inputs(machine),
        options(chosen),
        tls(chosen.tls_store != nullptr ? *chosen.tls_store : own_tls) {
    sections.emplace_back(Section::top, Place{});
    if (options.ids != nullptr) ids = *options.ids;
  }

  ConfInputs& inputs;  // the loader's caller's
  ConfOptions options;
  TlsStore own_tls;
  TlsStore& tls;  // the caller's where there is one
  ConfIds ids;    // those of earlier confs, then this one's, too
  std::unique_ptr<Config> made = std::make_unique<Config>();
  Config& config = *made;             // global settings, until `made` is taken
  std::deque<SectionDraft> sections;  // the top, then as read
  std::optional<BundleDraft> bundle;  // set by a line that is not done with, taken by the reader
  std::optional<Word> include;        // set by the include line, taken by the reader
  std::map<std::string, LogFormatDraft, std::less<>> log_formats;
  std::optional<LogFormatUse> access_format;  // nothing: the built-in text
  uint32_t log_value_bytes = default_log_value_bytes;
  std::optional<Place> log_mask_at;
  bool incomplete = false;            // a file is missing: what it would have said is unknown
  bool unreadable = false;            // it is the conf itself
  bool upstream_unnamed = false;      // an upstream's own line was wrong
  std::vector<std::string> warnings;  // of setters, as read

  const SectionDraft& top() const { return sections.front(); }
  void warn(const Place& place, const std::string& what) {
    warnings.push_back(text_at(place, what));
  }
};

// Collects errors and brings them into reading order.
class ConfErrors {
 public:
  // Says it once, though several sections may inherit what is wrong.
  void add(const Place& place, std::string what) {
    const bool told = std::any_of(found_.begin(), found_.end(), [&](const Found& each) {
      return each.order == place.order && each.error.what == what;
    });
    if (told) return;
    found_.push_back({place.order, ConfError{place.file, place.line, std::move(what)}});
  }
  bool empty() const { return found_.empty(); }
  std::vector<ConfError> in_reading_order() {
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Found& a, const Found& b) { return a.order < b.order; });
    std::vector<ConfError> errors;
    for (Found& found : found_) errors.push_back(std::move(found.error));
    return errors;
  }

 private:
  struct Found {
    uint32_t order;
    ConfError error;
  };
  std::vector<Found> found_;
};

// "\"text\"" for messages, cut where it is long. What editors and web pages slip in and nobody can
// see is spelt out: else `unknown directive "route"` could be all that there is to read.
inline std::string quoted(const std::string& text) {
  static constexpr std::pair<const char*, const char*> unseen[] = {
      {"\xc2\xa0", "<U+00A0>"}, {"\xe2\x80\x8b", "<U+200B>"}, {"\xef\xbb\xbf", "<U+FEFF>"}};
  constexpr size_t most = 100;
  const bool cut = text.size() > most;
  std::string shown = cut ? text.substr(0, most) + "..." : text;
  for (const auto& [bytes, name] : unseen) {
    for (size_t at; (at = shown.find(bytes)) != std::string::npos;) {
      shown.replace(at, std::char_traits<char>::length(bytes), name);
    }
  }
  return '"' + shown + '"';
}

// "on line 3", or "on line 3 of other.conf" seen from another file.
inline std::string seen_from(const Place& here, const Place& there) {
  const std::string line = "on line " + std::to_string(there.line);
  return here.file == there.file ? line : line + " of " + there.file;
}

}  // namespace sluice
