// PeerBoard: what all workers together know of each peer, in memory that they share. One writer a
// row: no lock, no read-modify-write, and nothing to clean up behind a worker that died but its
// row.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "core/ids.h"

namespace sluice {

// What one worker does with one peer. That worker alone writes, and who buries it.
struct PeerRow {
  std::atomic<uint32_t> active{0};     // sessions with it, those that are dialling it among them
  std::atomic<uint32_t> failures{0};   // since window_ms
  std::atomic<uint64_t> window_ms{0};  // by the monotonic clock; 0: there was none
};

// How a peer failed, as next_peer_on tells it apart.
enum class PeerFault : uint8_t { none, error, timeout, invalid_answer, status };

// The same as operators tell it apart: what a session was at when the peer failed it.
enum class PeerFailure : uint8_t { connect, tls, lost, timeout, invalid_answer, status };
inline constexpr size_t peer_failures = static_cast<size_t>(PeerFailure::status) + 1;

enum class PeerCheck : uint8_t { none, up, down };

// What is known of one peer. All may write; each number stands for itself, times are of the
// monotonic clock, which processes share.
struct alignas(64) PeerHealth {
  std::atomic<uint64_t> out_until_ms{0};    // it gets no session until then; 0: it is not out
  std::atomic<uint64_t> since_ms{0};        // when it went out or came back; 0: it never did
  std::atomic<uint64_t> probe_until_ms{0};  // a session tries it; until then no other one does
  std::atomic<uint32_t> out_ms{0};          // for how long it was out the latest time
  std::atomic<uint32_t> outs{0};            // how often it went out
  std::atomic<uint64_t> failed{0};          // failures, about: two at once may count as one
  std::atomic<PeerFault> latest{PeerFault::none};  // of `failed`
  // Of the keeper, who alone writes these four.
  std::atomic<PeerCheck> check{PeerCheck::none};  // none: no check has ended yet, or none is made
  std::atomic<PeerFault> latest_check{PeerFault::none};  // of `failed_checks`
  std::atomic<uint32_t> checks{0};                       // that ended
  std::atomic<uint32_t> failed_checks{0};                // of them
  // The failures by what they were, and whether an order drains it, as any worker last wrote.
  std::array<std::atomic<uint32_t>, peer_failures> failed_by{};
  std::atomic<bool> draining{false};
};
static_assert(sizeof(PeerHealth) == 128);

// A view, for the worker of that number. Peers beyond the room of its memory, and all of them where
// it has none, are known to this worker alone.
class PeerBoard {
 public:
  // The memory that a view looks at, all zero when it is new; it outlives the view.
  struct Memory {
    std::span<PeerRow> rows{};       // worker by worker, for each as many as there are of `health`
    std::span<PeerHealth> health{};  // by PeerId
    // The highest number that a worker has had, and one more: who sums looks at no other row. Who
    // starts workers alone writes it, before they start.
    std::atomic<uint32_t>* workers = nullptr;

    std::span<PeerRow> rows_of(uint32_t worker) const {
      return rows.subspan(worker * health.size(), health.size());
    }
  };

  PeerBoard() = default;
  PeerBoard(const PeerBoard&) = delete;
  PeerBoard& operator=(const PeerBoard&) = delete;
  PeerBoard(Memory memory, uint32_t worker) : memory_(memory), worker_(worker) {}

  // Whether all workers know of that peer.
  bool shares(PeerId id) const { return static_cast<size_t>(id) < memory_.health.size(); }
  PeerRow& own_row(PeerId id);
  PeerHealth& health(PeerId id);
  // Sums over all workers, each number as its worker last wrote it.
  uint32_t active(PeerId id);
  // Failures in windows that began after that time.
  uint32_t failures_since(PeerId id, uint64_t ms);

 private:
  struct Private {
    PeerRow row;
    PeerHealth health;
  };
  Private& private_of(PeerId id);
  template <class Visit>
  void each_row(PeerId id, Visit visit);

  Memory memory_;
  uint32_t worker_ = 0;
  std::unordered_map<uint32_t, std::unique_ptr<Private>> private_;
};

// The worker that wrote these rows is dead, and its sessions with it.
void bury(std::span<PeerRow> rows);

}  // namespace sluice
