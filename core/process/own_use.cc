// A process that takes another one's place begins with no time used; what is told goes on.
#include "core/process/own_use.h"

#include <utility>

#include "net/sys_process.h"

namespace sluice {

OwnUse::OwnUse(ProcessGauges& told) : told_(told) {
  told.most_descriptors.set(sys::raise_descriptor_limit());
}

void OwnUse::tell() {
  const sys::ProcessUse use = meter_.read();
  told_.cpu_ms.add(use.cpu_ms - std::exchange(cpu_told_ms_, use.cpu_ms));
  told_.resident_bytes.set(use.resident_bytes);
  told_.virtual_bytes.set(use.virtual_bytes);
  told_.descriptors.set(use.descriptors);
}

OwnUseByTimer::OwnUseByTimer(Reactor& reactor, ProcessGauges& told)
    : reactor_(reactor), id_(reactor.attach(*this)), use_(told) {
  on_timer({}, 0);
}

void OwnUseByTimer::on_timer(Handle, unsigned) {
  use_.tell();
  reactor_.arm(reactor_.now_ms() + OwnUse::every_ms, id_, Handle{0, 1}, 0);
}

}  // namespace sluice
