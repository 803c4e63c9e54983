// The proxy's TlsTransport, watched: linked in place of tls/make_transport.cc. What passes above
// OpenSSL is told to the connection's observer as a plain connection tells it of system calls.
#include <string>

#include "tests/sim/kernel.h"
#include "tls/transport.h"

namespace sluice {

namespace {

std::string bytes_at(std::span<const iovec> pieces, size_t begin, size_t count) {
  std::string bytes;
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return bytes.substr(begin, count);
}

class WatchedTls final : public TlsTransport {
 public:
  WatchedTls(SSL* ssl, int fd, uint32_t records_without_data)
      : TlsTransport(ssl, fd, records_without_data), connection_(sim::kernel().stream(fd)) {
    connection_.in_tls = true;
  }
  // What follows is plain.
  ~WatchedTls() override {
    connection_.in_tls = false;
    connection_.untaken = 0;  // an alert that found no room
  }

  Io recv(std::span<const iovec> pieces) override {
    const Io io = TlsTransport::recv(pieces);
    sim::world().note("TLS #%lld: %lld bytes in, state %lld", connection_.number(),
                      static_cast<int64_t>(io.bytes), static_cast<int>(io.state));
    if (io.bytes > 0) sim::kernel().progress();  // of what was received before, too
    if (io.state == Io::State::failed) connection_.untaken = 0;
    if (connection_.observer == nullptr) return io;
    if (io.bytes > 0) connection_.observer->on_recv(connection_, bytes_at(pieces, 0, io.bytes));
    const bool over = io.state == Io::State::ended || io.state == Io::State::failed;
    if (!over || end_told_) return io;
    end_told_ = true;
    const int error = io.state == Io::State::ended ? 0 : io.error != 0 ? io.error : EPROTO;
    connection_.observer->on_input_end(connection_, error);
    return io;
  }

  Io send(std::span<const iovec> pieces) override {
    if (bytes_at(pieces, 0, encrypted_.size()) != encrypted_) {
      sim::world().fail("#" + std::to_string(connection_.number()) +
                        ": bytes that were encrypted already are not sent again");
    }
    const Io io = TlsTransport::send(pieces);
    sim::world().note("TLS #%lld: %lld bytes out, %lld committed", connection_.number(),
                      static_cast<int64_t>(io.bytes), static_cast<int64_t>(committed()));
    if (io.state != Io::State::failed) {
      encrypted_ = bytes_at(pieces, io.bytes, committed());
      connection_.committed = committed();
    } else {
      connection_.untaken = 0;  // what is held has nowhere to go
    }
    if (connection_.observer == nullptr) return io;
    if (io.bytes > 0) connection_.observer->on_send(connection_, bytes_at(pieces, 0, io.bytes));
    if (io.state == Io::State::failed) connection_.observer->on_send_error(connection_, EPIPE);
    return io;
  }

 private:
  sim::Connection& connection_;
  std::string encrypted_;  // not told to have been sent
  bool end_told_ = false;
};

}  // namespace

std::unique_ptr<TlsTransport> make_tls_transport(SSL* ssl, int fd, uint32_t records_without_data) {
  return std::make_unique<WatchedTls>(ssl, fd, records_without_data);
}

}  // namespace sluice
