// The one place where a client's Http2Stream is made, apart from what it does: the simulator links
// a watched one in its place.
#include "core/session/http2_stream.h"

namespace sluice {

std::unique_ptr<Http2ClientStream> make_http2_stream(Http2Connection& connection, int32_t id,
                                                     const Http2Request& request, bool ended) {
  return std::make_unique<Http2ClientStream>(connection, id, request, ended);
}

}  // namespace sluice
