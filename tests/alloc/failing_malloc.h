// Makes one allocation of one thread fail, the n-th from now: malloc and its kin, operator new by
// way of them, and the mappings of rings.
#pragma once

#include <cstdint>

namespace sluice::failing_malloc {

// From now on the calling thread's allocations are counted.
void count_this_thread();
// The n-th counted allocation from now fails; 0: none does.
void arm(int64_t n);
// Whether the armed one has come.
bool happened();
// Allocations of the counted thread since it is counted.
int64_t counted();
// Blocks of the heap that it has taken and not given back, mappings apart, and their bytes with
// what the C library keeps beside each.
int64_t held();
int64_t held_bytes();
// Of its mappings, those given back included.
int64_t mapped_bytes();

}  // namespace sluice::failing_malloc
