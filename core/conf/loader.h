// ConfLoader: the way of a conf, read into a draft and resolved into a Config, in pieces so small
// that a process can serve its sessions between them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/conf/conf.h"

namespace sluice {

// Loads what load_conf() would.
class ConfLoader {
 public:
  // What `options` point to and `inputs` belong to the caller and outlive the loader.
  ConfLoader(std::string path, const ConfOptions& options, ConfInputs& inputs);
  ConfLoader(const ConfLoader&) = delete;
  ConfLoader& operator=(const ConfLoader&) = delete;
  ~ConfLoader();

  // Does the next piece: a line, a question about a section, a TLS context, or giving some memory
  // back. One takes a small part of a millisecond, but for a key or a TLS context (about one), what
  // `inputs` block for and ConfOptions::effective. False when nothing is left. Throws
  // std::bad_alloc; the loader can then only be destroyed.
  bool step();
  // Once, after step() returned false.
  ConfOutcome finish();

 private:
  struct Parts;
  enum class Phase : uint8_t { reading, resolving, clearing, done };

  void conclude();
  bool clear();

  Phase phase_ = Phase::reading;
  std::unique_ptr<Parts> parts_;
  ConfOutcome outcome_;
};

}  // namespace sluice
