// Reload: a worker takes over the conf that its master has loaded. It loads the conf itself, from
// the recording of what the master met, in pieces between the turns of its sessions, so that none
// of them waits long.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/conf/loader.h"
#include "core/conf/recording.h"
#include "core/process/conf_bundle.h"
#include "core/process/control_messages.h"
#include "core/process/listeners.h"
#include "net/reactor.h"
#include "tls/store.h"

namespace sluice {

// A conf that is ready to be used.
struct LoadedConf {
  ConfigRef config;
  ConfTerms terms;
  std::vector<WorkerSocket> sockets;  // all that the worker is to have
};

class ReloadSink {
 public:
  virtual ~ReloadSink() = default;
  // Whether the worker accepts from that socket already.
  virtual bool has(const WorkerSocket& socket) const = 0;
  // Uses the conf and takes over what it keeps of the sockets, which are set to -1 here. False
  // where memory was short and the same conf is to come once more. Throws std::bad_alloc for that,
  // too.
  virtual bool adopt(LoadedConf& loaded) = 0;
  // The message that brought the conf whole is done with; `why` is "" where the conf was adopted.
  virtual void on_reload_end(uint32_t sequence, const std::string& why) = 0;
};

class Reload final : public EventHandler {
 public:
  // How long a piece of the loading takes, if none of its steps is longer, in nanoseconds.
  static constexpr uint64_t slice_ns = 500'000;

  // All outlive it. `store` is that of the process.
  Reload(Reactor& reactor, ReloadSink& sink, TlsStore& store);
  ~Reload() override;

  // Takes over the part's descriptors. `sequence` is its message's. A part of a later generation
  // puts an end to what is under way. `running` is the conf that is in use. Where memory is short
  // it throws std::bad_alloc, and the part may come once more. A part that lost its descriptors on
  // the way may come behind the last one, which is then refused: no conf is adopted without all of
  // its sockets.
  void take(const ConfPart& part, uint32_t sequence, ConfigRef running);
  bool under_way() const { return work_ != nullptr; }
  // Destroys a conf that nobody holds any more, in pieces as well. Throws std::bad_alloc; it is
  // destroyed at once then.
  void bury(std::unique_ptr<Config> config);

  void on_ready(Handle, unsigned, Readiness) override {}
  void on_timer(Handle, unsigned) override {}
  void on_run(Handle handle) override;

 private:
  // A conf on its way: what it is loaded from, in the order of use.
  struct Work {
    Work(MappedBundle&& mapped, ConfigRef in_use, TlsStore& store);

    MappedBundle bundle;
    RecordedInputs inputs;
    ConfIds ids;
    ConfigRef running;
    ConfOptions options;
    ConfLoader loader;
    uint32_t sequence = 0;
  };

  void collect(const ConfPart& part);
  void close_sockets();
  bool step();
  void finish();
  void end(const std::string& why);

  Reactor& reactor_;
  ReloadSink& sink_;
  TlsStore& store_;
  Reactor::HandlerId id_;
  ConfTerms terms_;
  std::vector<WorkerSocket> sockets_;  // of that generation, so far
  std::unique_ptr<Work> work_;
  std::vector<std::unique_ptr<Config>> buried_;
  bool adopted_ = false;  // the store has what the conf before needed, too
  uint32_t runs_ = 0;     // the latest run's number: those of earlier work are void
};

}  // namespace sluice
