// Reloads: the worker of a run adopts a newer conf at random instants. Each leads clients where the
// one before led them, but its listeners, upstreams and peers stand in other places, under other
// ids, and what the one before had besides is gone. Between two confs servers' names come to lead
// to their addresses under other numbers.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/process/worker.h"
#include "tests/sim/random.h"
#include "tests/sim/world.h"

namespace sluice::sim {

// A conf of its own that says the same.
ConfigRef copy_of(const Config& conf);

class Reloads {
 public:
  explicit Reloads(uint64_t seed) : random_(seed), moves_(seed ^ 0x5eed) {}

  // Decides when there are any, and has them come due.
  void plan(World& world);
  // Between two turns: adopts what is due.
  void adopt_due(World& world, Worker& worker, const Config& first, size_t buffer_memory_bytes);
  bool any() const { return planned_ > 0; }
  uint32_t adopted() const { return adopted_; }
  // "" or ", 3 reloads, 2 moves".
  std::string text() const;

 private:
  void move_peers(Worker& worker, const Config& first);

  Random random_;
  Random moves_;
  uint32_t adopted_ = 0;
  size_t planned_ = 0;
  size_t due_ = 0;
  size_t moves_planned_ = 0;
  size_t moves_due_ = 0;
  uint32_t next_moved_id_ = 20'000;  // beyond those of all confs
};

}  // namespace sluice::sim
