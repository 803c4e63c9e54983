// Names: its handles are questions that are followed.
#include "core/keeper/names.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "core/keeper/random_up_to.h"
#include "core/members.h"
#include "net/sys.h"

namespace sluice {

namespace {

using Kind = NameAnswer::Kind;

// From 0 to `most`.
std::string who(const NameQuestion& question) {
  return (question.service ? "service " : "name ") + question.host;
}

std::string addresses_text(size_t count) {
  return std::to_string(count) + (count == 1 ? " address" : " addresses");
}

// What whoever runs sluice may do about it.
const char* remedy(Kind kind) {
  switch (kind) {
    case Kind::no_such_name:
      return "; is it written as its name servers know it?";
    case Kind::timed_out:
      return "; resolver names other name servers, resolver_timeout gives them longer";
    case Kind::failed:
      return "; resolver names other name servers";
    default:
      return "";
  }
}

// Whether this machine has a way to such an address. A datagram socket connects without a packet.
bool has_way(const Address& address) {
  const int fd = sys::datagram_socket(address.family());
  if (fd < 0) return fd != -EAFNOSUPPORT;
  const int answer = sys::connect(fd, address);
  sys::close(fd);
  return answer != -ENETUNREACH && answer != -EADDRNOTAVAIL;
}

// Many names have an IPv6 address that a machine without IPv6 would try in vain, again and again.
// An address of each family is judged for the others.
void leave_out_unreachable(NameTargets& targets) {
  const auto of_v6 = [](const NameTarget& target) { return target.address.family() == AF_INET6; };
  const auto first = std::find_if(targets.begin(), targets.end(), of_v6);
  if (first == targets.end() || std::all_of(targets.begin(), targets.end(), of_v6)) return;
  if (!has_way(first->address)) std::erase_if(targets, of_v6);
}

}  // namespace

Names::Names(Reactor& reactor, Log& log, NamesSink& sink)
    : reactor_(reactor),
      log_(log),
      sink_(sink),
      id_(reactor.attach(*this)),
      resolver_(reactor),
      file_(parse_resolver_file("")) {}

Names::~Names() {
  followed_.for_each([this](Handle, const Followed& each) { reactor_.cancel(each.timer); });
  for (const File* file : {&hosts_file_, &resolver_file_}) {
    if (file->fd >= 0) sys::close(file->fd);
  }
}

template <class Call>
void Names::with(Handle handle, Call call) {
  Followed* const followed = followed_.get(handle);
  if (followed == nullptr) return;
  try {
    call(*followed);
  } catch (const std::bad_alloc&) {
    resolver_.cancel(std::exchange(followed->asked, Handle()));
    arm(handle, *followed, settings_.least_interval_ms);
  }
}

// What is new is all made before anything is given up.
void Names::use(std::vector<NameQuestion> questions, const ResolverSettings& settings) {
  std::sort(questions.begin(), questions.end());
  questions.erase(std::unique(questions.begin(), questions.end()), questions.end());
  std::erase_if(questions, [](const NameQuestion& each) { return is_local_name(each.host); });
  std::map<NameQuestion, Handle> kept;
  const auto fresh = static_cast<uint64_t>(
      std::count_if(questions.begin(), questions.end(),
                    [this](const NameQuestion& each) { return by_question_.count(each) == 0; }));
  const bool others = !used_ || !(settings_.servers == settings.servers);
  const ResolverSettings before = std::exchange(settings_, settings);
  try {
    use_rules(others);
    for (const NameQuestion& each : questions) {
      // One is asked at once, a thousand within first_within_ms.
      add(each, random_up_to(std::min<uint64_t>(first_within_ms, fresh > 0 ? fresh - 1 : 0)), kept);
    }
  } catch (const std::bad_alloc&) {
    settings_ = before;
    for (const auto& [question, handle] : kept) {
      if (by_question_.count(question) == 0) retire(handle);
    }
    throw;
  }
  for (const auto& [question, handle] : by_question_) {
    if (kept.count(question) == 0) retire(handle);
  }
  by_question_ = std::move(kept);
  next_look_ms_ = 0;  // of hosts only the names that are followed are kept
  hosts_file_.taken = false;
}

void Names::add(const NameQuestion& question, uint64_t delay_ms,
                std::map<NameQuestion, Handle>& kept) {
  const auto known = by_question_.find(question);
  if (known != by_question_.end()) {
    Followed& followed = *followed_.get(known->second);
    kept.emplace(question, known->second);
    const uint64_t latest_ms = reactor_.now_ms() + settings_.most_interval_ms;
    if (followed.timer != 0 && followed.due_ms > latest_ms) {
      arm(known->second, followed, settings_.most_interval_ms);
    }
    return;
  }
  const auto place = kept.emplace(question, Handle()).first;
  try {
    place->second = followed_.create(Followed{.question = question});
    arm(place->second, *followed_.get(place->second), delay_ms);
  } catch (const std::bad_alloc&) {
    if (place->second) followed_.retire(place->second);
    kept.erase(place);
    throw;
  }
}

void Names::retire(Handle handle) {
  Followed& followed = *followed_.get(handle);
  reactor_.cancel(followed.timer);
  resolver_.cancel(followed.asked);
  followed_.retire(handle);
}

// --- rules and files

void Names::use_rules(bool others) {
  const ResolverRules rules = resolver_rules(settings_, file_);
  if (!used_ || !(rules == resolver_.rules())) resolver_.use(rules);
  used_ = true;
  if (others) hasten_failing();
}

// Whoever put the name servers right does not wait for it.
void Names::hasten_failing() {
  for (const auto& [question, handle] : by_question_) {
    Followed& followed = *followed_.get(handle);
    if (followed.failures > 0 && followed.timer != 0) {
      arm(handle, followed, random_up_to(std::min<uint64_t>(first_within_ms, by_question_.size())));
    }
  }
}

void Names::use_files(int hosts, int resolv_conf) {
  for (const auto& [file, fd] : {std::pair{&hosts_file_, hosts}, {&resolver_file_, resolv_conf}}) {
    if (file->fd >= 0 && file->fd != fd) sys::close(file->fd);
    file->fd = fd;
    file->taken = false;
  }
  next_look_ms_ = 0;
}

void Names::look_at_files() {
  if (reactor_.now_ms() < next_look_ms_) return;
  next_look_ms_ = reactor_.now_ms() + files_interval_ms;
  if (changed(hosts_file_, "hosts")) {
    HostNames wanted;
    for (const auto& [question, handle] : by_question_) {
      if (!question.service) wanted.insert(question.host);
    }
    hosts_ = parse_hosts(hosts_file_.text, wanted);
    hosts_file_.text = std::string();
    hosts_file_.taken = true;
  }
  if (changed(resolver_file_, "resolv.conf")) {
    ResolverFile file = parse_resolver_file(resolver_file_.text);
    resolver_file_.text = std::string();
    for (const std::string& note : file.notes) {
      log_.recurring(LogLevel::warn, "lines of resolv.conf", "resolv.conf: " + note);
    }
    const bool others = settings_.servers.empty() && !(file == file_);
    file_ = std::move(file);
    use_rules(others);
    resolver_file_.taken = true;
  }
}

// Reads it where it was not taken before, or has changed. A file that cannot be read is as good as
// none, and is tried again when it has changed.
bool Names::changed(File& file, const char* name) {
  const sys::FileState state = file.fd >= 0 ? sys::file_state(file.fd) : sys::FileState();
  if (file.taken && state == file.state) return false;
  file.taken = false;
  file.state = state;
  file.text.clear();
  const int answer =
      file.fd >= 0 ? sys::read_whole_file(file.fd, most_name_file_bytes, file.text) : 0;
  if (answer < 0) {
    log_.recurring(LogLevel::warn, "a file of names",
                   std::string(name) + ": " + Fault{"read", -answer}.text() +
                       (answer == -EFBIG ? "; its first 8m count" : ""));
  }
  return true;
}

// --- asking

void Names::on_timer(Handle handle, unsigned) {
  with(handle, [&](Followed& followed) {
    followed.timer = 0;
    look_at_files();
    begin(handle, followed);
  });
}

void Names::begin(Handle handle, Followed& followed) {
  if (!followed.question.service) {
    const auto found = hosts_.find(followed.question.host);
    if (found != hosts_.end()) {
      NameAnswer answer{.kind = Kind::targets};
      for (Address address : found->second) {
        address.set_port(followed.question.port);
        answer.targets.push_back({address});
      }
      put_in_order(answer.targets, settings_.most_addresses, answer.left_out);
      return take(handle, followed, answer);
    }
  }
  if (resolver_.under_way() >= most_under_way) {
    return arm(handle, followed, put_off_ms + random_up_to(put_off_ms));
  }
  followed.asked = resolver_.ask(followed.question, [this, handle](NameAnswer& answer) {
    with(handle, [&](Followed& asked) {
      asked.asked = Handle();
      take(handle, asked, answer);
    });
  });
}

void Names::take(Handle handle, Followed& followed, NameAnswer& answer) {
  switch (answer.kind) {
    case Kind::targets:
      ++counts_.ok;
      break;
    case Kind::no_such_name:
    case Kind::no_addresses:
      ++counts_.none;
      break;
    case Kind::failed:
      ++counts_.failed;
      break;
    case Kind::timed_out:
      ++counts_.timed_out;
  }
  const bool whole = answer.kind == Kind::targets && !answer.incomplete;
  if (answer.kind == Kind::targets) take_targets(followed, answer);
  if (!whole) tell_failure(followed, answer);
  followed.failures = whole ? 0 : std::min(followed.failures + 1, 31u);
  arm(handle, followed, pause_ms(followed, answer));
}

// What an incomplete answer lacks may be there all the same: it adds, and takes nothing away.
void Names::take_targets(Followed& followed, NameAnswer& answer) {
  NameTargets targets = std::move(answer.targets);
  leave_out_unreachable(targets);
  if (answer.incomplete) {
    targets.insert(targets.end(), followed.told.begin(), followed.told.end());
    put_in_order(targets, settings_.most_addresses, answer.left_out);
  }
  if (answer.left_out > 0) {
    log_.recurring(LogLevel::warn, "a name with too many addresses",
                   who(followed.question) + ": " + std::to_string(answer.left_out) +
                       " are left out, beyond resolve_max_addresses " +
                       std::to_string(settings_.most_addresses));
  }
  const bool same = targets == followed.told;
  if (same && followed.failures == 0) return;
  const std::string now = who(followed.question) + ": ";
  if (!same) {
    sink_.on_targets(followed.question, targets);
    log_.recurring(
        LogLevel::notice, "a name's addresses",
        now + (followed.told.empty() ? "has " : "now has ") + addresses_text(targets.size()) +
            (followed.told.empty() ? "" : ", had " + std::to_string(followed.told.size())));
    followed.told = std::move(targets);
  } else if (!answer.incomplete) {
    log_.recurring(LogLevel::notice, "a name resolves again",
                   now + "resolves again, to the " + addresses_text(targets.size()) + " it had");
  }
}

void Names::tell_failure(const Followed& followed, const NameAnswer& answer) {
  std::string text = who(followed.question) + ": ";
  if (answer.kind == Kind::targets) {
    text += "resolves in part, so that no address was taken away: ";
  } else {
    text += followed.told.empty() ? "does not resolve, and has no address so far: "
                                  : "does not resolve, its addresses stay as they were: ";
  }
  log_.recurring(LogLevel::warn, "a name that does not resolve",
                 text + answer.why + remedy(answer.kind));
}

// hosts costs nothing to ask; its answers have a TTL of 0.
uint64_t Names::pause_ms(const Followed& followed, const NameAnswer& answer) const {
  const uint64_t least_ms = settings_.least_interval_ms;
  if (followed.failures == 0) {
    const uint64_t ttl_ms = uint64_t{answer.ttl_s} * 1'000;
    return std::max(least_ms, std::min<uint64_t>(ttl_ms, settings_.most_interval_ms));
  }
  const uint64_t doubled_ms = std::max<uint64_t>(least_ms, 1) << (followed.failures - 1);
  return std::max(least_ms, std::min({doubled_ms, uint64_t{settings_.most_interval_ms},
                                      uint64_t{most_failing_interval_ms}}));
}

// Throws std::bad_alloc only for a question that is new: later ones take the place of the one
// before.
void Names::arm(Handle handle, Followed& followed, uint64_t delay_ms) {
  reactor_.cancel(std::exchange(followed.timer, 0));
  followed.due_ms = reactor_.now_ms() + delay_ms;
  followed.timer = reactor_.arm(followed.due_ms, id_, handle, 0);
}

}  // namespace sluice
