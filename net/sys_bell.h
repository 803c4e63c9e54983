// sys: a bell in memory that processes share, by which one sleeps until another has work for it.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::sys {

// Wakes who awaits it. The count was raised before.
void ring(std::atomic<uint32_t>& bell);
// Until its count is another than `seen`, or so long at most; sooner for no reason.
void await_ring(std::atomic<uint32_t>& bell, uint32_t seen, uint32_t most_ms);

// The calling thread takes no signal of the process from now on, but that of a refused system call,
// and runs where nothing else wants to.
void become_background_thread();

}  // namespace sluice::sys
