// What the tests of a session's parts share: a client's connection, its far end in the test's hand.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "core/session/leg.h"
#include "net/sys.h"
#include "tests/unit/net_testing.h"

namespace sluice::testing {

// A leg over one end of a pair, which takes what it is given. The test plays the reactor.
class PairedLeg {
 public:
  PairedLeg() {
    leg.attach(pair_.near.get());
    leg.assume_writable();
  }
  ~PairedLeg() { leg.detach(); }

  // Sends from the far end, and tells the leg.
  void say(const std::string& bytes) {
    send_text(pair_.far.get(), bytes);
    leg.assume_readable();
  }
  // The far end is closed.
  void hang_up() {
    pair_.far.close();
    leg.assume_readable();
  }
  // What came to the far end since.
  std::string heard() const {
    std::string all;
    for (;;) {
      const std::string piece = recv_text(pair_.far.get());
      if (piece.empty()) return all;
      all += piece;
    }
  }
  int far() const { return pair_.far.get(); }

  Leg leg;

 private:
  Pair pair_ = unix_pair();
};

}  // namespace sluice::testing
