// Record, what HTTP/2 adds: what a stream's session reads and sends is what its client writes and
// gets, byte for byte.
#include "tests/sim/http2_client.h"
#include "tests/sim/record.h"
#include "tests/sim/world.h"

namespace sluice::sim {

void Record::judge_stream() const {
  if (!relaying_) return;
  const std::string& in = lanes_[0].raw_in();
  if (stream_->written().compare(0, in.size(), in) != 0) {
    fail("the stream's payload changed on its way in");
  }
  if (!client_->speaking()) return;
  const std::string_view got =
      std::string_view(client_->received()).substr(client_->frames_begin());
  if (!lanes_[1].raw_out().starts_with(got)) fail("the stream's client got what was not sent");
}

}  // namespace sluice::sim
