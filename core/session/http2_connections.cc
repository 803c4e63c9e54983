// A failed allocation ends one connection with its streams, and nobody else's.
#include "core/session/http2_connections.h"

#include <new>
#include <utility>

namespace sluice {

namespace {

constexpr size_t kept_buffers = 32;  // 2 MiB at most

}  // namespace

Http2Connections::Http2Connections(WorkerContext& context, Http2Sink& sink)
    : context_(context), sink_(sink), handler_(context.reactor.attach(*this)) {
  spare_.reserve(kept_buffers);
}

Http2Connections::~Http2Connections() {
  close_all();
  connections_.for_each([this](Handle handle, Http2Connection&) { connections_.retire(handle); });
  connections_.sweep();
}

template <class Call>
void Http2Connections::with(Handle handle, Call call) {
  Http2Connection* const connection = connections_.get(handle);
  if (connection == nullptr) return;
  try {
    call(*connection);
  } catch (const std::bad_alloc&) {
    context_.log.recurring(LogLevel::error, "out of memory",
                           "an HTTP/2 connection was closed: out of memory");
    connection->close("out of memory", End::abort);
  }
}

void Http2Connections::adopt(Leg& leg, Http2Start start) {
  for (std::vector<Handle>* each : {&busy_, &flushing_}) {  // so that to become busy cannot fail
    if (each->capacity() <= connections_.live()) each->reserve(2 * connections_.live() + 8);
  }
  const Handle handle =
      connections_.create(context_, sink_, handler_, busy_, spare_, std::move(start));
  with(handle, [&](Http2Connection& connection) { connection.begin(leg, handle); });
}

void Http2Connections::shut_down(bool at_once) {
  connections_.for_each([&](Handle handle, Http2Connection&) {
    with(handle, [&](Http2Connection& connection) { connection.shut_down(at_once); });
  });
}

void Http2Connections::end_idle(size_t most) {
  connections_.for_each([&](Handle handle, Http2Connection& connection) {
    if (most == 0 || !connection.is_idle()) return;
    connection.close("its place was wanted", End::orderly);
    if (connection.is_over()) connections_.retire(handle);
    --most;
  });
}

void Http2Connections::close_all() {
  connections_.for_each([](Handle, Http2Connection& connection) {
    connection.close("the worker ends", End::orderly);
  });
}

void Http2Connections::on_ready(Handle handle, unsigned, Readiness ready) {
  with(handle, [&](Http2Connection& connection) { connection.on_ready(ready); });
}

void Http2Connections::on_timer(Handle handle, unsigned) {
  with(handle, [](Http2Connection& connection) { connection.on_timer(); });
}

void Http2Connections::on_run(Handle handle) {
  with(handle, [](Http2Connection& connection) { connection.on_run(); });
}

// One that ends while it flushes is busy once more; no session runs meanwhile, so that this ends.
void Http2Connections::flush() {
  while (!busy_.empty()) {
    flushing_.swap(busy_);
    for (const Handle handle : flushing_) {
      with(handle, [](Http2Connection& connection) { connection.flush(); });
      const Http2Connection* const connection = connections_.get(handle);
      if (connection != nullptr && connection->is_over()) connections_.retire(handle);
    }
    flushing_.clear();
  }
  connections_.sweep();
}

}  // namespace sluice
