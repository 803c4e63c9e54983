// Names: follows where servers' names lead. Each is asked again when its answer has aged; what
// changes is told. It decides nothing about peers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/keeper/name_files.h"
#include "core/keeper/resolver.h"
#include "core/names.h"
#include "core/observe/log.h"
#include "net/pool.h"
#include "net/reactor.h"
#include "net/sys_process.h"

namespace sluice {

class NamesSink {
 public:
  virtual ~NamesSink() = default;
  // The first answer, and later ones that differ from the one before. Never empty: where a name is
  // gone, cannot be found out, or has no address, the last good answer stands. Not called from
  // within a call of Names; must not call Names::use() from within. May throw std::bad_alloc: it
  // is told again when the name is asked next.
  virtual void on_targets(const NameQuestion& question, const NameTargets& targets) = 0;
};

// Questions that were answered, for metrics.
struct NameCounts {
  uint64_t ok = 0;
  uint64_t none = 0;  // no such name, or no address
  uint64_t failed = 0;
  uint64_t timed_out = 0;
};

// The keeper's. Looks neither at ResolverSettings::follow nor at ::required: who calls use() does.
class Names final : public EventHandler {
 public:
  // Each question that is under way has some datagrams on their way, of which a socket's buffer
  // holds some hundreds. Others are put off by put_off_ms to twice that.
  static constexpr size_t most_under_way = 100;
  static constexpr uint32_t put_off_ms = 100;
  // Questions that are new at the same time are scattered within this.
  static constexpr uint32_t first_within_ms = 1'000;
  // A name that has no answer is asked again after that at the latest, or after the least
  // resolve_interval where that is longer: somebody may wait for its server.
  static constexpr uint32_t most_failing_interval_ms = 30'000;
  // The files are looked at no more often.
  static constexpr uint32_t files_interval_ms = 1'000;

  // All outlive this.
  Names(Reactor& reactor, Log& log, NamesSink& sink);
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names() override;

  // Before privileges are given up: c-ares reads files here.
  Status open() { return resolver_.open(); }

  // From now on these questions, each at most once, and nothing else. Those that there were go on
  // as they were; new ones are asked at once. Settings count from the next answer on; where name
  // servers are others, names without an answer are asked at once. Throws std::bad_alloc, and may
  // be called again. "localhost" and names below it are nobody's to ask: the conf resolves them.
  void use(std::vector<NameQuestion> questions, const ResolverSettings& settings);

  // Open descriptors of /etc/hosts and /etc/resolv.conf, which are this one's from then on; -1: no
  // such file. A file is read again when it has changed; one that takes its name is another one,
  // which somebody else has to open. A name in hosts is answered from there, a service never is.
  void use_files(int hosts, int resolv_conf);

  size_t size() const { return by_question_.size(); }
  const NameCounts& counts() const { return counts_; }

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle handle, unsigned which) override;
  void on_run(Handle) override {}
  void on_turn_end() override { followed_.sweep(); }

 private:
  // A question that is asked over and over.
  struct Followed {
    NameQuestion question;
    NameTargets told = {};  // empty: nothing so far
    Handle asked = {};      // under way
    TimerId timer = 0;      // for the next time
    uint64_t due_ms = 0;
    uint32_t failures = 0;  // in a row
  };
  // A file that somebody else opened for us.
  struct File {
    int fd = -1;
    bool taken = false;  // what it says
    sys::FileState state = {};
    std::string text = {};
  };

  template <class Call>
  void with(Handle handle, Call call);
  void add(const NameQuestion& question, uint64_t delay_ms, std::map<NameQuestion, Handle>& kept);
  void retire(Handle handle);
  void use_rules(bool others);
  void hasten_failing();
  void look_at_files();
  bool changed(File& file, const char* name);
  void begin(Handle handle, Followed& followed);
  void take(Handle handle, Followed& followed, NameAnswer& answer);
  void take_targets(Followed& followed, NameAnswer& answer);
  void tell_failure(const Followed& followed, const NameAnswer& answer);
  uint64_t pause_ms(const Followed& followed, const NameAnswer& answer) const;
  void arm(Handle handle, Followed& followed, uint64_t delay_ms);

  Reactor& reactor_;
  Log& log_;
  NamesSink& sink_;
  Reactor::HandlerId id_;
  ResolverSettings settings_;
  bool used_ = false;
  Resolver resolver_;
  Pool<Followed> followed_;
  std::map<NameQuestion, Handle> by_question_;
  File hosts_file_;
  File resolver_file_;
  HostAddresses hosts_;  // of the names that are followed
  ResolverFile file_;
  uint64_t next_look_ms_ = 0;
  NameCounts counts_;
};

}  // namespace sluice
