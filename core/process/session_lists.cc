// SessionLists: places of pools are the cursors, so that nothing is kept of what was told.
#include "core/process/session_lists.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/observe/json.h"
#include "net/printable.h"

namespace sluice {

void SessionLists::list(ControlTicket ticket, PageRequest request, uint32_t limit,
                        std::string warning) {
  begin(ticket, std::move(request), limit, std::move(warning));
}

void SessionLists::close(ControlTicket ticket, PageRequest request) {
  request.closes = true;
  begin(ticket, std::move(request), 0, "");
}

void SessionLists::begin(ControlTicket ticket, PageRequest request, uint32_t limit,
                         std::string warning) {
  List& list = lists_.emplace_back();
  list.ticket = ticket;
  list.next = std::move(request);
  list.next.list = ++last_number_;
  list.next.place = 0;
  list.limit = limit;
  list.warning = std::move(warning);
  ask(list);
}

// Of the first worker from list.worker on that can be asked; where there is none the list ends.
void SessionLists::ask(List& list) {
  for (; list.worker < owner_.worker_places(); ++list.worker, list.next.place = 0) {
    const pid_t pid = owner_.worker_pid(list.worker);
    if (list.next.place > 0 && pid != list.pid) {  // it went between two pages
      ++list.gone;
      continue;
    }
    if (pid == 0) continue;  // and no session is there
    list.pid = pid;
    list.next.lines = list.limit;
    list.asked = owner_.ask_for_page(list.worker, list.next);
    if (list.asked) return;
    ++list.unasked;
  }
  end(list);
}

bool SessionLists::on_page(uint32_t worker, Page page) {
  const auto found = std::find_if(lists_.begin(), lists_.end(), [&page](const List& list) {
    return list.next.list == page.list;
  });
  if (found == lists_.end() || !found->asked || found->worker != worker) return false;
  // Whatever it holds, it brings the list nearer to its end.
  const bool leads_on = page.next > found->next.place || page.lines > 0;
  if (!leads_on || page.lines > found->next.lines) return false;
  found->asked = false;
  if (found->ticket) {
    take(*found, std::move(page));
  } else {
    lists_.erase(found);
  }
  return true;
}

void SessionLists::take(List& list, Page page) {
  list.told += page.lines;
  list.limit -= page.lines;
  list.left_out += page.left_out;
  list.closed += page.closed;
  list.next.place = page.next;
  if (page.next == Page::last) {
    ++list.worker;
    list.next.place = 0;
  }
  if (page.text.empty()) return go_on(list);
  owner_.tell(*list.ticket, std::move(page.text));
}

void SessionLists::go_on(List& list) {
  if (list.next.closes && list.closed > 0) return end(list);
  ask(list);
}

void SessionLists::on_taken(ControlTicket ticket) {
  for (List& each : lists_) {
    if (is_of(each, ticket)) return go_on(each);
  }
}

// A page that was asked for still comes.
void SessionLists::forget(ControlTicket ticket) {
  std::erase_if(lists_, [&](const List& each) { return is_of(each, ticket) && !each.asked; });
  for (List& each : lists_) {
    if (is_of(each, ticket)) each.ticket.reset();
  }
}

void SessionLists::on_crew_progress() {
  for (size_t i = 0; i < lists_.size();) {
    List& list = lists_[i];
    const size_t before = lists_.size();
    if (list.asked && owner_.worker_pid(list.worker) != list.pid) {
      list.asked = false;
      if (!list.ticket) {
        lists_.erase(lists_.begin() + static_cast<ptrdiff_t>(i));
        continue;
      }
      ++list.gone;
      ++list.worker;
      list.next.place = 0;
      ask(list);
    }
    if (lists_.size() == before) ++i;
  }
}

void SessionLists::end(List& list) {
  const ControlTicket ticket = *list.ticket;
  std::string text = list.next.closes ? closed_text(list) : end_text(list);
  forget(ticket);
  owner_.answer(ticket, std::move(text));
}

std::string SessionLists::closed_text(const List& list) {
  if (list.closed > 0) return text_of(ControlAnswer{});
  std::string text = "no session has the id \"" + printable(list.next.filter.value) +
                     "\": it has ended, or never relayed";
  if (list.gone + list.unasked > 0) {
    text += "; but " + std::to_string(list.gone + list.unasked) +
            " of the workers ended meanwhile or could not be asked, as the error log says";
  }
  return text_of(refusal(std::move(text)));
}

std::string SessionLists::end_text(const List& list) {
  Json json;
  json["ok"] = true;
  json["sessions"] = list.told;
  json["left_out"] = list.left_out;
  const auto warn = [&json](std::string text) { json["warnings"].push_back(std::move(text)); };
  if (!list.warning.empty()) warn(list.warning);
  if (list.gone > 0) {
    warn(std::to_string(list.gone) + " of the workers ended meanwhile: sessions of theirs lack");
  }
  if (list.unasked > 0) {
    warn(std::to_string(list.unasked) +
         " of the workers could not be asked, as the error log says: sessions of theirs lack");
  }
  return line_of(json) + "\n";
}

}  // namespace sluice
