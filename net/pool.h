// Pool: a slab of objects named by handles of index and generation, so that a caller that
// keeps a handle across turns learns that the object is gone instead of meeting its successor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "net/check.h"
#include "net/slab.h"

namespace sluice {

// Index and generation fit a poller's 64-bit cookie beside handler and leg (reactor.h). The default
// handle names nothing.
struct Handle {
  static constexpr uint32_t index_bits = 28;
  static constexpr uint32_t generation_bits = 28;

  uint32_t index = 0;
  uint32_t generation = 0;

  explicit operator bool() const { return generation != 0; }
  friend bool operator==(Handle a, Handle b) = default;
};

// Owns its objects; they never move. An object is retired during a turn, when its handle stops
// resolving, and destroyed by sweep() at the turn's end: references held within the turn stay good.
template <class T>
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    sweep();
    for (uint32_t index = 0; index < slots_.size(); ++index) {
      Slot& slot = slots_[index];
      if (slot.state == State::live) slot.object()->~T();
    }
  }

  template <class... Arguments>
  Handle create(Arguments&&... arguments) {
    if (first_free_ == none) add_slot();
    const uint32_t index = first_free_;
    Slot& slot = slots_[index];
    new (slot.storage) T(std::forward<Arguments>(arguments)...);
    first_free_ = slot.next;
    slot.state = State::live;
    slot.next = index;
    ++live_;
    return Handle{index, slot.generation};
  }

  // Null for a handle that is stale, default, or was never given out.
  T* get(Handle handle) {
    if (handle.index >= slots_.size()) return nullptr;
    Slot& slot = slots_[handle.index];
    if (slot.generation != handle.generation || slot.state != State::live) return nullptr;
    return slot.object();
  }

  // The handle of an object that is live.
  static Handle handle_of(const T& object) {
    const auto& slot = *std::launder(reinterpret_cast<const Slot*>(&object));
    SLUICE_CHECK(slot.state == State::live);
    return Handle{slot.next, slot.generation};
  }

  void retire(Handle handle) {
    SLUICE_CHECK(get(handle) != nullptr);
    Slot& slot = slots_[handle.index];
    slot.state = State::retired;
    if (++slot.generation == 0) slot.generation = 1;
    slot.next = first_retired_;
    first_retired_ = handle.index;
    --live_;
  }

  // Destroys what was retired. Destructors must not touch the pool.
  void sweep() {
    while (first_retired_ != none) {
      const uint32_t index = first_retired_;
      Slot& slot = slots_[index];
      first_retired_ = slot.next;
      slot.object()->~T();
      slot.state = State::free;
      slot.next = first_free_;
      first_free_ = index;
    }
  }

  size_t live() const { return live_; }

  // For who walks on over many turns: the live object at a place from 0 to places() - 1, null where
  // there is none. An object keeps its place; places are not given back.
  uint32_t places() const { return slots_.size(); }
  T* at(uint32_t place) {
    Slot& slot = slots_[place];
    return slot.state == State::live ? slot.object() : nullptr;
  }

  // Calls visit(handle, object) for every live object; `visit` may retire, but not create.
  template <class Visit>
  void for_each(Visit visit) {
    for (uint32_t index = 0; index < slots_.size(); ++index) {
      Slot& slot = slots_[index];
      if (slot.state == State::live) visit(Handle{index, slot.generation}, *slot.object());
    }
  }

 private:
  static constexpr uint32_t none = UINT32_MAX;

  enum class State : uint32_t { free, live, retired };

  struct Slot {
    alignas(T) unsigned char storage[sizeof(T)];  // first: handle_of() finds the slot by it
    uint32_t next = none;                         // in its list, or of a live one its own index
    uint32_t generation : Handle::generation_bits = 1;
    State state : 2 = State::free;

    T* object() { return std::launder(reinterpret_cast<T*>(storage)); }
  };

  static_assert(std::is_standard_layout_v<Slot> && offsetof(Slot, storage) == 0);

  void add_slot() {
    SLUICE_CHECK(slots_.size() < (1u << Handle::index_bits));
    slots_.add();
    first_free_ = slots_.size() - 1;
  }

  Slab<Slot> slots_;
  uint32_t first_free_ = none;
  uint32_t first_retired_ = none;
  size_t live_ = 0;
};

}  // namespace sluice
