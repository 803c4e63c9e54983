// A section's settings win over the top's. A TLS setting that its section cannot use is an error,
// because the conf's author believes to be protected by it.
#include "core/conf/resolve_tls.h"

#include <algorithm>

#include "core/conf/rows.h"

namespace sluice {

namespace {

// Both directives complain themselves where no certificate stands before them.
bool belongs_to_certificate(const Directive& row) {
  return &row == &directive::tls_key || &row == &directive::tls_stapling_file;
}

// The first of the section's TLS lines; null where it has none.
const Place* tls_line(const SectionDraft& section, std::string_view& name) {
  const Place* first = nullptr;
  for (const auto& [row, place] : section.given) {
    if (!row->name.starts_with("tls_") || belongs_to_certificate(*row)) continue;
    if (first != nullptr && first->order < place.order) continue;
    first = &place;
    name = row->name;
  }
  return first;
}

bool gives(const SectionDraft& section, const Directive& row) {
  return section.given.count(&row) > 0;
}

const Place& place_of(const SectionDraft& section, const Directive& row) {
  const auto given = section.given.find(&row);
  return given == section.given.end() ? section.place : given->second;
}

TlsPolicy policy_of(const ConfDraft& draft, const Settings& all) {
  TlsPolicy policy = all;
  policy.resumption.lifetime_s = (draft.config.tls_ticket_lifetime_ms + 999) / 1000;
  return policy;
}

// With an outdated CRL, every certificate of its issuer is refused.
void warn_of_outdated_crl(ConfDraft& draft, const SectionDraft& section,
                          std::vector<std::string>& warnings) {
  for (const SectionDraft* level : {&section, &draft.top()}) {
    if (level->settings.revoked.empty()) continue;
    const auto lists = draft.tls.revocations(level->settings.revoked);  // its line was good
    const std::string when =
        lists.ok() ? outdated_revocations(lists.value(), system_wall_clock_s()) : "";
    if (when.empty()) return;
    std::string told = text_at(place_of(*level, directive::tls_crl),
                               "tls_crl: a newer CRL was due on " + when +
                                   "; until it is given, every certificate of "
                                   "its issuer is refused");
    const bool known = std::find(warnings.begin(), warnings.end(), told) != warnings.end();
    if (!known) warnings.push_back(std::move(told));
    return;
  }
}

// Its certificates with their keys; none, and an error, where one has no key.
std::vector<Credentials> credentials_of(SectionDraft& section, ConfErrors& errors) {
  std::vector<Credentials> credentials;
  bool whole = true;
  for (CertificateDraft& each : section.as<ListenDraft>().certificates) {
    // A wrong line of the certificate or of its key was told already.
    if (each.credentials.certificate != nullptr && !each.key_given) {
      errors.add(each.place, "tls_certificate: its tls_key is missing behind it");
    }
    whole = whole && each.credentials.key != nullptr;
    credentials.push_back(std::move(each.credentials));
  }
  if (!whole) credentials.clear();
  return credentials;
}

}  // namespace

std::optional<TlsServerSettings> resolve_tls_server(ConfDraft& draft, SectionDraft& section,
                                                    const std::string& described,
                                                    ConfErrors& errors,
                                                    std::vector<std::string>& warnings) {
  std::string_view name;
  const bool certificate_given = gives(section, directive::tls_certificate);
  if (!certificate_given) {
    if (const Place* place = tls_line(section, name); place != nullptr) {
      errors.add(*place,
                 std::string(name) + " needs a tls_certificate; " + described + " has none");
    }
    return std::nullopt;
  }
  TlsServerSettings settings;
  settings.credentials = credentials_of(section, errors);
  const Settings all = settings_for(Section::listen, {&section, &draft.top()});
  settings.policy = policy_of(draft, all);
  settings.client_authorities = all.client_authorities;
  settings.verify_client = all.verify_client;
  settings.http2 = all.http2 != Http2Use::off;
  if (settings.verify_client != VerifyClient::off && settings.client_authorities.empty()) {
    if (!gives(section, directive::tls_client_ca)) {  // else its line was wrong
      errors.add(place_of(section, directive::tls_verify_client),
                 "tls_verify_client needs a tls_client_ca to verify with");
    }
    return std::nullopt;
  }
  if (settings.verify_client == VerifyClient::off && !section.settings.client_authorities.empty()) {
    warnings.push_back(text_at(place_of(section, directive::tls_client_ca),
                               "tls_client_ca has no effect without tls_verify_client"));
  }
  if (settings.verify_client != VerifyClient::off) {
    warn_of_outdated_crl(draft, section, warnings);
  } else if (!section.settings.revoked.empty()) {
    warnings.push_back(text_at(place_of(section, directive::tls_crl),
                               "tls_crl has no effect without tls_verify_client"));
  }
  if (settings.credentials.empty()) return std::nullopt;
  return settings;
}

TlsClientRef resolve_tls_client(ConfDraft& draft, const SectionDraft& section,
                                std::span<const ServerDraft> servers, const std::string& described,
                                ConfErrors& errors, std::vector<std::string>& warnings) {
  const bool secure = std::any_of(servers.begin(), servers.end(),
                                  [](const ServerDraft& each) { return each.like.uri.secure; });
  std::string_view name;
  if (!secure) {
    if (const Place* place = tls_line(section, name); place != nullptr && !servers.empty()) {
      errors.add(*place, std::string(name) + " needs a wss:// server; " + described + " has none");
    }
    return nullptr;
  }
  const Settings all = settings_for(Section::upstream, {&section, &draft.top()});
  TlsClientSettings settings;
  settings.policy = policy_of(draft, all);
  settings.verify = all.verify;
  settings.authorities = all.authorities;
  settings.server_name = all.server_name;
  for (const SectionDraft* level : {&section, &draft.top()}) {
    const auto& credentials = level->client_credentials;
    if (!credentials || settings.credentials != nullptr) continue;
    if (credentials->key == nullptr) {
      if (credentials->certificate != nullptr && !gives(*level, directive::tls_client_key)) {
        errors.add(place_of(*level, directive::tls_client_certificate),
                   "tls_client_certificate: its tls_client_key is missing behind it");
      }
      return nullptr;
    }
    settings.credentials = &*credentials;
  }
  if (!settings.verify) {
    const bool here = gives(section, directive::tls_verify);
    warnings.push_back(text_at(here ? place_of(section, directive::tls_verify) : section.place,
                               described + " trusts any certificate (tls_verify off)"));
    for (const Directive* idle : {&directive::tls_ca, &directive::tls_crl}) {
      if (!gives(section, *idle)) continue;
      warnings.push_back(text_at(place_of(section, *idle),
                                 std::string(idle->name) + " has no effect with tls_verify off"));
    }
  } else {
    warn_of_outdated_crl(draft, section, warnings);
  }
  Result<TlsClientRef> client = TlsClient::find_or_make(settings, draft.tls);
  if (client.ok()) return std::move(client.value());
  errors.add(section.place, described + ": TLS cannot be set up: " + client.fault().text());
  return nullptr;
}

}  // namespace sluice
