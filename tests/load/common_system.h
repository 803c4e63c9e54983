// What the load tools ask of a system that is not the same everywhere; common_system_linux.cc and
// common_system_none.cc, of which CMake takes one.
#pragma once

namespace sluice::load {

// The calling thread's naps, and all its waits, are no longer rounded up by the system (50 us on
// Linux). Does nothing where the system knows no such thing.
void wake_promptly();

// A bind() to port 0 that follows only says the address; the port is chosen by connect(), so that
// it need not be free for every destination, and is not lost to those who leave the choice to
// connect() altogether. Without it where the system knows no such thing.
void choose_port_late(int fd);

}  // namespace sluice::load
