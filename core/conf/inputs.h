// ConfInputs: everything that a conf's loader asks of the machine. The one seam of core/conf, so
// that a conf can be loaded from a machine, from memory, or from what was recorded of a machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/names.h"
#include "net/address.h"
#include "tls/secret.h"

namespace sluice {

// What the loader judges about a file besides its content.
struct FileFacts {
  struct Group {
    gid_t id = 0;
    bool of_process = false;  // this process is in it
  };

  // One name for the file, whatever path led to it; that path where no other is known.
  std::string canonical_path;
  bool open_to_others = false;              // its mode lets everybody read or write it
  std::optional<Group> open_to_group = {};  // its mode lets this group read or write it
};

// Values go in, values come out: an implementation may keep what another one answered and answer
// the same again. Calls may block.
class ConfInputs {
 public:
  virtual ~ConfInputs() = default;

  // Appends the file's content to `content`, and replaces `facts`, which are told as far as they
  // are known also where the content cannot be read. Returns 0 or an errno value; EFBIG where
  // `content` has no room for all of it.
  virtual int read(const std::string& path, Secret& content, FileFacts& facts) = 0;
  // The paths that match (glob(7)), sorted; none where nothing does.
  virtual std::vector<std::string> glob(const std::string& pattern) = 0;
  // An environment variable's value; nothing where it is not set.
  virtual std::optional<std::string> variable(const std::string& name) = 0;
  // Where a name leads, never nowhere. A service may have no answer before a keeper has asked.
  virtual Result<NameTargets> resolve(const NameQuestion& question) = 0;
  // The number of a user or a group; nothing where there is none of that name.
  virtual std::optional<uid_t> user_id(const std::string& name) = 0;
  virtual std::optional<gid_t> group_id(const std::string& name) = 0;
  // The name of a group, or its number where it has none.
  virtual std::string group_name(gid_t id) = 0;
  // Whether this process could append to the file, or make it: 0 or an errno value. Leaves nothing
  // behind. Only `sluice -t` asks (ConfOptions::open_files).
  virtual int writable(const std::string& path) = 0;
  // Whether this machine has that IP address (of port 0): 0 or an errno value. Only `sluice -t`
  // asks.
  virtual int bindable(const Address& address) = 0;
  // The folder that relative paths begin at, with its final '/'; "" where it is not known.
  virtual std::string working_folder() = 0;
};

}  // namespace sluice
