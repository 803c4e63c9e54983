// SessionLists: lists of sessions that clients of the control socket have asked for, and sessions
// that they end. Each goes from worker to worker, a page at a time, and the next page is asked for
// when the client has taken the one before: so a list costs the master one page, however many
// sessions there are.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/process/control_socket.h"
#include "core/process/session_pages.h"

namespace sluice {

// What the lists ask of the master.
class SessionListsOwner {
 public:
  virtual ~SessionListsOwner() = default;
  virtual uint32_t worker_places() const = 0;
  virtual pid_t worker_pid(uint32_t number) const = 0;  // 0: nobody has the place
  // Whether the request is on its way.
  virtual bool ask_for_page(uint32_t number, const PageRequest& request) = 0;
  virtual void tell(ControlTicket ticket, std::string lines) = 0;
  virtual void answer(ControlTicket ticket, std::string text) = 0;
};

class SessionLists {
 public:
  // The owner outlives it.
  explicit SessionLists(SessionListsOwner& owner) : owner_(owner) {}

  // `request` without list, place and lines. At most `limit` sessions have a line. `warning` is
  // told at the end; "": none.
  void list(ControlTicket ticket, PageRequest request, uint32_t limit, std::string warning = "");
  // Ends the session with that id.
  void close(ControlTicket ticket, PageRequest request);

  // False where nobody asked that worker for such a page.
  bool on_page(uint32_t worker, Page page);
  void on_taken(ControlTicket ticket);
  void forget(ControlTicket ticket);
  // Workers may be gone.
  void on_crew_progress();
  size_t size() const { return lists_.size(); }

 private:
  struct List {
    std::optional<ControlTicket> ticket;  // none: its client went, and a page is still to come
    PageRequest next;                     // what is asked for next, or was
    uint32_t worker = 0;                  // of which that is asked
    pid_t pid = 0;                        // its process
    bool asked = false;                   // its page has not come
    uint32_t limit = 0;                   // lines that are still to be told
    uint64_t told = 0;
    uint64_t left_out = 0;
    uint64_t closed = 0;
    uint32_t gone = 0;     // workers that went meanwhile
    uint32_t unasked = 0;  // workers that a request did not reach
    std::string warning{};
  };

  bool is_of(const List& list, ControlTicket ticket) const {
    return list.ticket && list.ticket->client == ticket.client;
  }
  void begin(ControlTicket ticket, PageRequest request, uint32_t limit, std::string warning);
  void take(List& list, Page page);
  void ask(List& list);
  void go_on(List& list);
  void end(List& list);
  static std::string closed_text(const List& list);
  static std::string end_text(const List& list);

  SessionListsOwner& owner_;
  // As many as the control socket has clients, at most, and as many whose clients went as workers
  // have requests that they have not answered.
  std::vector<List> lists_;
  uint32_t last_number_ = 0;
};

}  // namespace sluice
