// A conf in one go.
#include "core/conf/conf.h"

#include "core/conf/loader.h"

namespace sluice {

std::string ConfError::text() const {
  return (line > 0 ? file + ":" + std::to_string(line) : file) + ": " + what;
}

ConfOutcome load_conf(const std::string& path, const ConfOptions& options, ConfInputs& inputs) {
  ConfLoader loader(path, options, inputs);
  while (loader.step()) {
  }
  return loader.finish();
}

}  // namespace sluice
