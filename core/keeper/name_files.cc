// The files' lines are words between blanks.
#include "core/keeper/name_files.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/keeper/name_limits.h"
#include "net/printable.h"

namespace sluice {

namespace {

constexpr std::string_view blanks = " \t\r\f\v";
constexpr uint16_t domain_port = 53;
constexpr size_t most_notes = 4;

// Takes the first line of `text` off, without its newline.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// Takes the first word off; "" at the end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.size(), line.find_first_not_of(blanks)));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& each : lowered) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  }
  return lowered;
}

// As much of a number as the file may ask for; nothing where there is none.
std::optional<uint32_t> number_up_to(std::string_view text, uint32_t most) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end == text.data()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return most;
  return static_cast<uint32_t>(std::min<uint64_t>(number, most));
}

void add_note(ResolverFile& file, std::string_view line, const char* why) {
  if (file.notes.size() == most_notes) return;
  file.notes.push_back("\"" + printable(line) + "\": " + why);
}

void take_server(ResolverFile& file, std::string_view line, std::string_view word) {
  if (file.servers.size() == ResolverFile::most_servers) {
    return add_note(file, line, "there are three name servers before it, which is the most");
  }
  if (word.find('%') != std::string_view::npos) {
    return add_note(file, line,
                    "a name server with a scope is not asked; resolver may name one without");
  }
  const Result<Address> server = Address::from_ip(word, domain_port);
  if (!server.ok()) return add_note(file, line, "no IP address: this name server is not asked");
  file.servers.push_back(server.value());
}

void take_domains(ResolverFile& file, std::string_view line, size_t most) {
  file.domains.clear();
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    if (file.domains.size() == most) return;
    while (word.ends_with('.')) word.remove_suffix(1);
    if (word.empty() || word.size() > most_name_text_bytes) continue;
    file.domains.push_back(lower(word));
  }
}

void take_option(ResolverFile& file, std::string_view option) {
  const auto take = [option](std::string_view name, uint32_t least, uint32_t most,
                             uint32_t& value) {
    if (!option.starts_with(name)) return;
    const std::optional<uint32_t> given = number_up_to(option.substr(name.size()), most);
    if (given.has_value()) value = std::max(least, *given);
  };
  take("ndots:", 0, ResolverFile::most_ndots, file.ndots);
  take("timeout:", 1, ResolverFile::most_timeout_s, file.timeout_s);
  take("attempts:", 1, ResolverFile::most_attempts, file.attempts);
  if (option == "rotate") file.rotate = true;
}

}  // namespace

HostAddresses parse_hosts(std::string_view text, const HostNames& wanted) {
  HostAddresses found;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    line = line.substr(0, line.find('#'));
    const std::string_view address_text = take_word(line);
    std::optional<Address> address;
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
      if (word.size() > most_name_text_bytes) continue;
      const std::string name = lower(word);
      if (wanted.count(name) == 0) continue;
      if (!address.has_value()) {
        const Result<Address> parsed = Address::from_ip(address_text, 0);
        if (!parsed.ok()) break;  // an address with a scope is none to inet_pton(3)
        address = parsed.value();
      }
      std::vector<Address>& addresses = found[name];
      if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
        addresses.push_back(*address);
      }
    }
  }
  return found;
}

ResolverFile parse_resolver_file(std::string_view text) {
  ResolverFile file;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    // Comments and keywords begin in the first column.
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (blanks.find(line[0]) != std::string_view::npos) continue;
    std::string_view rest = line;
    const std::string_view keyword = take_word(rest);
    if (keyword == "nameserver") {
      take_server(file, line, take_word(rest));
    } else if (keyword == "search") {
      take_domains(file, rest, ResolverFile::most_domains);
    } else if (keyword == "domain") {
      take_domains(file, rest, 1);
    } else if (keyword == "options") {
      for (std::string_view option = take_word(rest); !option.empty(); option = take_word(rest)) {
        take_option(file, option);
      }
    }
  }
  if (file.servers.empty())
    file.servers.push_back(Address::from_ip("127.0.0.1", domain_port).value());
  return file;
}

}  // namespace sluice
