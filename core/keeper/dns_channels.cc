// DnsChannels: its handles are c-ares' sockets. No exception passes through c-ares, and nobody is
// told anything from within it.
#include "core/keeper/dns_channels.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "net/check.h"
#include "net/sys.h"

namespace sluice {

namespace {

using Outcome = DnsAnswer::Outcome;

// Passes over one socket until others have their turn.
constexpr int most_passes = 16;

int fail_with(int error) {
  errno = error;
  return -1;
}

// As the C library answers.
template <class Answer>
Answer posix(Answer answer) {
  return answer >= 0 ? answer : static_cast<Answer>(fail_with(static_cast<int>(-answer)));
}

DnsAnswer answer_of(int status, std::span<const uint8_t> message, RecordKind kind) {
  switch (status) {
    case ARES_SUCCESS:
      return parse_dns_answer(message, kind);
    case ARES_ETIMEOUT:
      return DnsAnswer::failure(Outcome::timed_out, "did not answer");
    case ARES_ECONNREFUSED:
      return DnsAnswer::failure(Outcome::failed, "cannot be reached: nobody listens there");
    case ARES_ENOMEM:
      return DnsAnswer::failure(Outcome::failed, "could not be asked: out of memory");
    case ARES_EBADNAME:
      return DnsAnswer::failure(Outcome::failed, "was not asked: the name is none");
    case ARES_ECANCELLED:
      return DnsAnswer::failure(Outcome::failed, "is no name server of ours any more");
    default:
      return DnsAnswer::failure(Outcome::failed, "could not be asked");
  }
}

}  // namespace

// One that c-ares has; it owns itself until it is answered.
struct DnsChannels::Question {
  DnsChannels& owner;
  Handle question;
  size_t server;
  RecordKind kind;
  DnsAnswer answer = {};
  Question* next = nullptr;
};

struct DnsChannels::Calls {
  static void answer(void* data, int status, int, unsigned char* bytes, int length) noexcept {
    auto& question = *static_cast<Question*>(data);
    try {
      const size_t size = length > 0 ? static_cast<size_t>(length) : 0;
      question.answer = answer_of(status, {bytes, size}, question.kind);
    } catch (const std::bad_alloc&) {
      question.answer = DnsAnswer::failure(Outcome::failed, "was not understood: out of memory");
    }
    DnsChannels& owner = question.owner;
    question.next = std::exchange(owner.answered_, &question);
    --owner.under_way_;
  }

  static int open(int family, int type, int, void* data) noexcept {
    auto& channel = *static_cast<Channel*>(data);
    const bool datagrams = type == SOCK_DGRAM;
    const int fd = datagrams ? sys::datagram_socket(family) : sys::stream_socket(family);
    if (fd < 0) return fail_with(-fd);
    DnsChannels& owner = *channel.owner;
    Handle handle;
    try {
      handle = owner.sockets_.create(Socket{fd, &channel, datagrams});
      const Status watched = owner.reactor_.watch(fd, owner.id_, handle, 0);
      if (watched.ok()) return fd;
    } catch (const std::bad_alloc&) {
    }
    if (handle) owner.sockets_.retire(handle);
    sys::close(fd);
    return fail_with(ENOMEM);
  }

  static int close(int fd, void* data) noexcept {
    DnsChannels& owner = *static_cast<Channel*>(data)->owner;
    if (const Socket* const socket = owner.socket_of(fd)) {
      owner.sockets_.retire(Pool<Socket>::handle_of(*socket));
    }
    owner.reactor_.unwatch(fd);
    return posix(sys::close(fd));
  }

  static int connect(int fd, const sockaddr* address, socklen_t length, void*) noexcept {
    return posix(sys::connect(fd, Address::from_sockaddr(address, length)));
  }

  // A connected datagram socket gets its peer's datagrams alone; c-ares compares the addresses.
  static ssize_t recv(int fd, void* buffer, size_t bytes, int, sockaddr* from, socklen_t* length,
                      void* data) noexcept {
    Socket* const socket = static_cast<Channel*>(data)->owner->socket_of(fd);
    if (socket == nullptr) return fail_with(EBADF);
    Address whence;
    const ssize_t got = socket->datagrams ? sys::recv_from(fd, buffer, bytes, whence)
                                          : sys::recv(fd, buffer, bytes);
    socket->received = true;
    socket->drained = got == -EAGAIN;
    if (got >= 0 && socket->datagrams && from != nullptr && length != nullptr) {
      *length = std::min(*length, whence.raw_length());
      std::memcpy(from, whence.raw(), *length);
    }
    return posix(got);
  }

  static ssize_t send(int fd, const iovec* pieces, int count, void* data) noexcept {
    Socket* const socket = static_cast<Channel*>(data)->owner->socket_of(fd);
    if (socket != nullptr) socket->write_awaited = false;
    return posix(sys::send_pieces(fd, {pieces, static_cast<size_t>(count)}));
  }

  // A socket that is connected has had its edge, so c-ares would wait for ever to send what comes
  // later.
  static void want(void* data, int fd, int, int writable) noexcept {
    Socket* const socket = static_cast<Channel*>(data)->owner->socket_of(fd);
    if (socket != nullptr && writable != 0) socket->write_awaited = true;
  }
};

DnsChannels::DnsChannels(Reactor& reactor, DnsSink& sink)
    : reactor_(reactor), sink_(sink), id_(reactor.attach(*this)) {}

DnsChannels::~DnsChannels() {
  reactor_.cancel(timer_);
  for (Channel& channel : channels_) {
    if (channel.ares != nullptr) ::ares_destroy(channel.ares);
  }
  while (answered_ != nullptr) {
    const std::unique_ptr<Question> question(answered_);
    answered_ = question->next;
  }
  if (library_) ::ares_library_cleanup();
}

Status DnsChannels::open() {
  if (::ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) return Fault{"c-ares: no start"};
  library_ = true;
  for (Channel& channel : channels_) {
    if (!open_channel(channel)) return Fault{"c-ares: no channel: out of memory"};
  }
  return Done{};
}

// All is set here, so that c-ares takes nothing from files or the environment: one try, no domains,
// no hosts, no aliases, and answers that tell of a failure come to us.
bool DnsChannels::open_channel(Channel& channel) {
  static const ares_socket_functions functions = {Calls::open, Calls::close, Calls::connect,
                                                  Calls::recv, Calls::send};
  channel.owner = this;
  char lookups[] = "b";
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP;
  options.timeout = timeout_ms;
  options.tries = 1;
  options.ndots = 0;
  options.lookups = lookups;
  options.sock_state_cb = Calls::want;
  options.sock_state_cb_data = &channel;
  const int set = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                  ARES_OPT_LOOKUPS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST |
                  ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB;
  if (::ares_init_options(&channel.ares, &options, set) != ARES_SUCCESS) return false;
  ::ares_set_socket_functions(channel.ares, &functions, &channel);
  return true;
}

void DnsChannels::use(const std::vector<Address>& servers) {
  const size_t count = std::min(servers.size(), channels_.size());
  for (size_t i = 0; i < count; ++i) {
    Channel& channel = channels_[i];
    if (!channel.used || !(channel.server == servers[i])) set_server(channel, servers[i]);
  }
  for (size_t i = count; i < size_; ++i) {
    channels_[i].used = false;
    ::ares_cancel(channels_[i].ares);
  }
  size_ = count;
  if (answered_ != nullptr) reactor_.enqueue(id_, Handle{});
}

// c-ares takes another server only where none is asked.
void DnsChannels::set_server(Channel& channel, const Address& server) {
  channel.used = false;
  ::ares_cancel(channel.ares);
  ares_addr_port_node node{};
  node.family = server.family();
  node.udp_port = node.tcp_port = server.port();
  if (server.family() == AF_INET) {
    node.addr.addr4 = reinterpret_cast<const sockaddr_in*>(server.raw())->sin_addr;
  } else {
    SLUICE_CHECK(server.family() == AF_INET6);
    const in6_addr& bytes = reinterpret_cast<const sockaddr_in6*>(server.raw())->sin6_addr;
    std::memcpy(&node.addr.addr6, &bytes, sizeof bytes);
  }
  const int status = ::ares_set_servers_ports(channel.ares, &node);
  if (status != ARES_SUCCESS) throw std::bad_alloc();
  channel.server = server;
  channel.used = true;
}

void DnsChannels::ask(size_t server, const std::string& name, RecordKind kind, Handle question) {
  SLUICE_CHECK(server < size_);
  std::unique_ptr<Question> asked(new Question{*this, question, server, kind});
  unsigned char* bytes = nullptr;
  int length = 0;
  uint16_t id = 0;
  sys::random_bytes(&id, sizeof id);
  constexpr int internet = 1;
  constexpr int recursion = 1;
  const int made = ::ares_create_query(name.c_str(), internet, static_cast<int>(kind), id,
                                       recursion, &bytes, &length, 0);
  ++under_way_;
  if (made == ARES_SUCCESS) {
    ::ares_send(channels_[server].ares, bytes, length, Calls::answer, asked.release());
    ::ares_free_string(bytes);
  } else {
    Calls::answer(asked.release(), made, 0, nullptr, 0);
  }
  settle();
}

DnsChannels::Socket* DnsChannels::socket_of(int fd) {
  Socket* found = nullptr;
  sockets_.for_each([&](Handle, Socket& socket) {
    if (socket.fd == fd) found = &socket;
  });
  return found;
}

// c-ares was given the chance to do something: what is left to do comes by itself.
void DnsChannels::settle() {
  try {
    sockets_.for_each([this](Handle handle, Socket& socket) {
      if (socket.write_awaited) reactor_.enqueue(id_, handle);
      socket.write_awaited = false;
    });
    if (answered_ != nullptr) reactor_.enqueue(id_, Handle{});
    arm();
  } catch (const std::bad_alloc&) {
    // The next event does it, or whoever asked has waited long enough.
  }
}

// Answers come in the order of their questions' names, which matters to nobody; but what comes
// while they are told waits for its turn.
void DnsChannels::deliver() {
  Question* answered = std::exchange(answered_, nullptr);
  while (answered != nullptr) {
    const std::unique_ptr<Question> question(answered);
    answered = question->next;
    sink_.on_dns_answer(question->question, question->server, question->answer);
  }
}

void DnsChannels::process(Handle handle, bool writable) {
  for (int pass = 0; pass < most_passes; ++pass) {
    Socket* const socket = sockets_.get(handle);
    if (socket == nullptr) return;
    socket->received = socket->drained = false;
    ::ares_process_fd(socket->channel->ares, socket->fd, writable ? socket->fd : ARES_SOCKET_BAD);
    const Socket* const after = sockets_.get(handle);
    if (after == nullptr || after->drained || !after->received) return;
    writable = false;
  }
  try {
    reactor_.enqueue(id_, handle);
  } catch (const std::bad_alloc&) {
    ::ares_cancel(sockets_.get(handle)->channel->ares);  // else its bytes would lie there for ever
  }
}

void DnsChannels::on_ready(Handle handle, unsigned, Readiness ready) {
  process(handle, ready.writable || ready.failed || ready.hung_up);
  deliver();
  settle();
}

void DnsChannels::on_run(Handle handle) {
  process(handle, true);  // the default handle names none: it stands for answers
  deliver();
  settle();
}

void DnsChannels::on_timer(Handle, unsigned) {
  timer_ = 0;
  for (const Channel& channel : channels_) {
    if (channel.used) ::ares_process_fd(channel.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  deliver();
  settle();
}

// One timer for all: timeouts are the same everywhere, so that the first one armed is the earliest.
void DnsChannels::arm() {
  if (under_way_ == 0) return reactor_.cancel(std::exchange(timer_, 0));
  if (timer_ != 0) return;
  timeval earliest{timeout_ms / 1'000, 0};
  for (const Channel& channel : channels_) {
    timeval time{};
    if (channel.used) earliest = *::ares_timeout(channel.ares, &earliest, &time);
  }
  const auto wait_ms = static_cast<uint64_t>(earliest.tv_sec) * 1'000 +
                       static_cast<uint64_t>(earliest.tv_usec) / 1'000 + 1;
  timer_ = reactor_.arm(reactor_.now_ms() + wait_ms, id_, Handle{}, 0);
}

}  // namespace sluice
