// Connector: a non-blocking connect to one address. The caller watches the descriptor and asks
// connect_outcome() once it is writable.
#pragma once

#include "net/address.h"
#include "net/result.h"

namespace sluice {

// Sets the options of every TCP leg: no delay, and few bytes waiting unsent in the kernel. Without
// the latter a buffer of megabytes hides for a minute that a slow reader does read, and one cut off
// in time costs its peer all of that.
void prepare_tcp_leg(int fd);

// A descriptor of the caller's, prepared, on its way to `address`, or why there is none:
// some refusals (unix sockets, no route) come at once. It comes from `from`, an IP address with
// port 0 of the same family; null: the system chooses. Its port is chosen when it connects: as many
// connections to one peer as there are ports for each address of ours.
Result<int> start_connect(const Address& address, const Address* from = nullptr);

// After the descriptor became writable or failed: 0 when it is connected, else an errno.
int connect_outcome(int fd);

}  // namespace sluice
