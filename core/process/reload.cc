// Reload: sockets are collected message by message; the last one brings the bundle, and loading
// begins.
#include "core/process/reload.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "net/sys.h"

namespace sluice {

namespace {

constexpr const char* out_of_memory = "out of memory";

}  // namespace

Reload::Work::Work(MappedBundle&& mapped, ConfigRef in_use, TlsStore& store)
    : bundle(std::move(mapped)),
      inputs(bundle.recording()),
      ids(bundle.ids()),
      running(std::move(in_use)),
      options{.ids = &ids, .running = &*running, .tls_store = &store},
      loader(running->file, options, inputs) {}

Reload::Reload(Reactor& reactor, ReloadSink& sink, TlsStore& store)
    : reactor_(reactor), sink_(sink), store_(store), id_(reactor.attach(*this)) {}

Reload::~Reload() {
  close_sockets();
}

void Reload::take(const ConfPart& part, uint32_t sequence, ConfigRef running) {
  if (part.terms.generation != terms_.generation) {
    work_.reset();
    close_sockets();
  }
  terms_ = part.terms;
  collect(part);
  if (part.bundle < 0) return;
  if (sockets_.size() < terms_.sockets) {
    sys::close(part.bundle);
    return sink_.on_reload_end(sequence, "not all of its sockets have come");
  }
  Result<MappedBundle> bundle = MappedBundle::map(part.bundle, part.bundle_bytes);
  if (!bundle.ok() && bundle.fault().error != 0) throw std::bad_alloc();
  if (!bundle.ok()) return sink_.on_reload_end(sequence, bundle.fault().text());
  work_ = std::make_unique<Work>(std::move(bundle.value()), std::move(running), store_);
  work_->sequence = sequence;
  adopted_ = false;
  reactor_.enqueue(id_, Handle{0, ++runs_});
}

// Those that are there already are not held twice. A part may come once more.
void Reload::collect(const ConfPart& part) {
  uint32_t done = 0;
  try {
    sockets_.reserve(sockets_.size() + part.socket_count);
    for (; done < part.socket_count; ++done) {
      WorkerSocket fresh = part.sockets[done];
      const auto known =
          std::find_if(sockets_.begin(), sockets_.end(),
                       [&fresh](const WorkerSocket& each) { return each.same_as(fresh); });
      if (known != sockets_.end() || sink_.has(fresh)) sys::close(std::exchange(fresh.fd, -1));
      if (known == sockets_.end()) sockets_.push_back(fresh);
    }
  } catch (const std::bad_alloc&) {
    for (; done < part.socket_count; ++done) sys::close(part.sockets[done].fd);
    if (part.bundle >= 0) sys::close(part.bundle);
    throw;
  }
}

void Reload::close_sockets() {
  for (const WorkerSocket& socket : sockets_) {
    if (socket.fd >= 0) sys::close(socket.fd);
  }
  sockets_.clear();
}

void Reload::bury(std::unique_ptr<Config> config) {
  buried_.push_back(std::move(config));
  reactor_.enqueue(id_, Handle{0, ++runs_});
}

void Reload::on_run(Handle handle) {
  if (handle.generation != runs_) return;
  const uint64_t begin_ns = sys::monotonic_ns();
  try {
    do {
      if (!step()) return;
    } while (sys::monotonic_ns() - begin_ns < slice_ns);
    if (handle.generation == runs_) reactor_.enqueue(id_, handle);
  } catch (const std::bad_alloc&) {
    if (work_ != nullptr) end(out_of_memory);
  }
}

// Behind the work the store forgets what the new conf did not ask for. False when nothing is left.
bool Reload::step() {
  if (work_ != nullptr) {
    if (!work_->loader.step()) finish();
    return true;
  }
  if (adopted_ && store_.forget_some()) return true;
  adopted_ = false;
  if (buried_.empty()) return false;
  if (!take_apart(*buried_.back())) buried_.pop_back();
  return true;
}

void Reload::finish() {
  ConfOutcome outcome = work_->loader.finish();
  if (outcome.config == nullptr) {
    return end(outcome.errors.empty() ? "no conf" : outcome.errors.front().text());
  }
  if (!work_->inputs.used_up()) return end("the recording is another conf's");
  LoadedConf loaded{ConfigRef(outcome.config.release()), terms_, std::move(sockets_)};
  sockets_.clear();
  bool adopted = false;
  try {
    adopted = sink_.adopt(loaded);
  } catch (const std::bad_alloc&) {
  }
  sockets_ = std::move(loaded.sockets);  // what was not taken over
  if (!adopted) return end(out_of_memory);
  adopted_ = true;
  end("");
  close_sockets();
}

// The sockets stay: the last part alone comes once more.
void Reload::end(const std::string& why) {
  const uint32_t sequence = work_->sequence;
  work_.reset();
  sink_.on_reload_end(sequence, why);
}

}  // namespace sluice
