// DrainRegistry: which parts are drained, by their names, so that they stay so over confs and
// workers. The master's; what workers are told of it are its orders.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/conf/conf_ids.h"
#include "core/config.h"
#include "core/observe/json.h"
#include "core/process/control_arguments.h"
#include "core/process/control_messages.h"
#include "core/process/control_request.h"
#include "core/process/drain.h"

namespace sluice {

class DrainRegistry {
 public:
  // Drains that part of the conf, or, where it is drained already, anew over that time. Refuses
  // what no conf had (a route: what this one does not have), and tells what there is. `now_ms` is
  // wall time.
  ControlAnswer drain(const DrainRequest& request, const Config& config, const ConfIds& ids,
                      uint64_t now_ms);
  // Refuses what is not drained, and tells what is. The conf may have lost the part meanwhile. An
  // address or URI need not be spelled as it was, and a server's path need not be said.
  ControlAnswer undrain(const NamedPart& part);

  const DrainOrders& orders() const { return orders_; }
  // An array of what is drained, since when, and how many sessions are still to be told, by
  // left(order).
  // How many have not gone; nullopt: not counted yet.
  using Left = std::function<std::optional<uint64_t>(const DrainOrder& order)>;
  Json status(const Left& left) const;

 private:
  struct Entry {
    NamedPart part;
    uint64_t since_ms = 0;
  };

  size_t find(const Part& part) const;
  uint8_t free_place() const;

  std::vector<Entry> entries_;  // in the order of orders_
  DrainOrders orders_;
  uint32_t last_number_ = 0;
};

// The part that has this name, of the conf or, since sessions outlive it, of one before; not so a
// route, of which nobody keeps the names. `wrong` says so where there is none, with those that
// there are in this conf.
Part find_part(const NamedPart& named, const Config& config, const ConfIds& ids,
               std::string& wrong);

}  // namespace sluice
