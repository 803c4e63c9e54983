// Admin client: one connection for each question, which the answer ends.
#include "core/process/admin_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/connector.h"
#include "net/sys.h"
#include "net/sys_process.h"
#include "protocol/http1.h"

namespace sluice {

namespace {

AdminReply wrong(std::string text) {
  return {false, std::move(text)};
}

std::string refused(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return name +
             ": nobody listens there: sluice is not running, or was started before its conf "
             "named this address";
    case EACCES:
    case EPERM:
      return name + ": permission denied: the socket's mode says who may ask";
    default:
      return name + ": " + std::strerror(error);
  }
}

Address own(const Address& address) {
  if (!address.is_any()) return address;
  return Address::from_ip(address.family() == AF_INET6 ? "::1" : "127.0.0.1", address.port())
      .value();
}

int left_ms(uint64_t deadline_ms) {
  const uint64_t now_ms = sys::monotonic_ms();
  return static_cast<int>(std::min<uint64_t>(deadline_ms - std::min(deadline_ms, now_ms), 60'000));
}

// 0, or an errno value.
int send_all(int fd, std::string_view bytes, uint64_t deadline_ms) {
  while (!bytes.empty()) {
    const ssize_t sent = sys::send(fd, bytes.data(), bytes.size());
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (sent != -EAGAIN) {
      return static_cast<int>(-sent);
    } else if (left_ms(deadline_ms) == 0) {
      return ETIMEDOUT;
    } else {
      sys::wait_readable(fd, 1);
    }
  }
  return 0;
}

// The same; to the connection's end.
int receive_all(int fd, std::string& all, uint64_t deadline_ms) {
  char piece[16 * 1024];
  while (all.size() < most_admin_reply_bytes) {
    const ssize_t got = sys::recv(fd, piece, sizeof piece);
    if (got == 0) return 0;
    if (got > 0) {
      all.append(piece, static_cast<size_t>(got));
    } else if (got != -EAGAIN) {
      return static_cast<int>(-got);
    } else if (left_ms(deadline_ms) == 0) {
      return ETIMEDOUT;
    } else {
      sys::wait_readable(fd, left_ms(deadline_ms));
    }
  }
  return EMSGSIZE;
}

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { sys::close(fd_); }

  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

AdminReply ask_admin(const Address& address, std::string_view path, uint64_t deadline_ms) {
  const std::string name = "admin " + address.text();
  const Result<int> started = start_connect(own(address));
  if (!started.ok()) return wrong(refused(name, started.fault().error));
  const Connection connection(started.value());
  const std::string request =
      "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  int error = 0;
  while ((error = send_all(connection.fd(), request, deadline_ms)) == ENOTCONN &&
         left_ms(deadline_ms) > 0) {  // some systems say so of one that is being connected
    sys::wait_readable(-1, 5);
  }
  if (const int failed = connect_outcome(connection.fd()); failed != 0) error = failed;
  std::string all;
  if (error == 0) error = receive_all(connection.fd(), all, deadline_ms);
  if (error != 0) return wrong(refused(name, error));
  AdminReply answer = read_admin_reply(all);
  if (!answer.ok) answer.text.insert(0, name + ": ");
  return answer;
}

AdminReply read_admin_reply(std::string_view bytes) {
  Http1Parser parser(Http1Parser::Role::response, {});
  const Http1Parser::Fed head = parser.feed_head(bytes);
  if (head.outcome != Http1Parser::Outcome::complete)
    return wrong("what answers there is no sluice");
  bytes.remove_prefix(head.consumed);
  const int status = parser.answer().status;
  AdminReply answer;
  const Http1Parser::Fed body = parser.feed_body(bytes, answer.text);
  const bool whole = body.outcome == Http1Parser::Outcome::complete || parser.finish_body();
  if (!whole) return wrong("the answer breaks off");
  answer.ok = status == 200;
  if (!answer.ok) {
    answer.text = "answered " + std::to_string(status) +
                  (status == 403 ? ": admin_allow does not name this machine's address" : "");
  }
  return answer;
}

}  // namespace sluice
