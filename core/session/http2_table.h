// Http2Table: a worker's HTTP/2 connections of one kind, between the reactor and the sessions of
// their streams. A failed allocation ends one connection with its streams, and nobody else's.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "core/session/http2_link.h"
#include "core/session/worker_context.h"
#include "net/pool.h"
#include "net/reactor.h"

namespace sluice {

// The context outlives it. Sessions must be gone before it is: their legs are streams of its
// connections.
template <class Connection>
class Http2Table : public EventHandler {
 public:
  Http2Table(const Http2Table&) = delete;
  Http2Table& operator=(const Http2Table&) = delete;

  // Sends what the turn brought together. The turn's end does so, too; for who asks before that
  // whether any live.
  void flush();
  // Ends all at once, whatever is under way.
  void close_all();
  size_t live() const { return connections_.live(); }

  void on_ready(Handle handle, unsigned /*leg*/, Readiness ready) override {
    with(handle, [&](Connection& connection) { connection.on_ready(ready); });
  }
  void on_timer(Handle handle, unsigned /*which*/) override {
    with(handle, [](Connection& connection) { connection.on_timer(); });
  }
  void on_run(Handle handle) override {
    with(handle, [](Connection& connection) { connection.on_run(); });
  }
  void on_turn_end() override { flush(); }

 protected:
  explicit Http2Table(WorkerContext& context)
      : context_(context), shared_{.handler = context.reactor.attach(*this)} {
    constexpr size_t kept_buffers = 32;  // 2 MiB at most
    shared_.spare.reserve(kept_buffers);
  }
  ~Http2Table() override {
    close_all();
    connections_.for_each([this](Handle handle, Connection&) { connections_.retire(handle); });
    connections_.sweep();
  }

  // To be called before another one is made: to become busy must not fail.
  void reserve() {
    for (std::vector<Handle>* each : {&shared_.busy, &flushing_}) {
      if (each->capacity() <= connections_.live()) each->reserve(2 * connections_.live() + 8);
    }
  }
  template <class Call>
  void with(Handle handle, Call call) {
    Connection* const connection = connections_.get(handle);
    if (connection == nullptr) return;
    try {
      call(*connection);
    } catch (const std::bad_alloc&) {
      context_.log.recurring(LogLevel::error, "out of memory",
                             "an HTTP/2 connection was closed: out of memory");
      connection->close("out of memory", End::abort);
    }
  }

  WorkerContext& context_;
  Http2Shared shared_;
  Pool<Connection> connections_;

 private:
  std::vector<Handle> flushing_;  // those that are; kept for its room
};

// One that ends while it flushes is busy once more; no session runs meanwhile, so that this ends.
template <class Connection>
void Http2Table<Connection>::flush() {
  while (!shared_.busy.empty()) {
    flushing_.swap(shared_.busy);
    for (const Handle handle : flushing_) {
      with(handle, [](Connection& connection) { connection.flush(); });
      const Connection* const connection = connections_.get(handle);
      if (connection != nullptr && connection->is_over()) connections_.retire(handle);
    }
    flushing_.clear();
  }
  connections_.sweep();
}

template <class Connection>
void Http2Table<Connection>::close_all() {
  connections_.for_each(
      [](Handle, Connection& connection) { connection.close("the worker ends", End::orderly); });
}

}  // namespace sluice
