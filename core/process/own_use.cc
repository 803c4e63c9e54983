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

}  // namespace sluice
