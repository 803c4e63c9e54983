// The only file of core/conf that touches files, environment, names or users.
#include "core/conf/machine_inputs.h"

#include <glob.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "core/conf/expand.h"
#include "core/members.h"
#include "net/sys.h"
#include "net/sys_process.h"

namespace sluice {

namespace {

// A name server that takes longer than this is not asked for the names behind that one.
constexpr uint64_t patience_ms = 1'000;

FileFacts facts_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::canonical(path, error);
  FileFacts facts;
  facts.canonical_path = error ? path : canonical.string();
  sys::FileAccess access;
  if (sys::file_access(path.c_str(), access) != 0) return facts;
  facts.open_to_others = access.others;
  if (access.group) facts.open_to_group = {access.group_id, sys::in_group(access.group_id)};
  return facts;
}

}  // namespace

int MachineInputs::read(const std::string& path, Secret& content, FileFacts& facts) {
  facts = facts_of(path);
  Secret::Block block;
  return -sys::read_pieces(path.c_str(), block.bytes,
                           [&](std::string_view piece) { return content.append(piece); });
}

std::vector<std::string> MachineInputs::glob(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return paths;
}

std::optional<std::string> MachineInputs::variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

// A name server that is silent costs one wait, not one for each name.
Result<NameTargets> MachineInputs::resolve(const NameQuestion& question) {
  if (known_ != nullptr) {
    if (const auto known = known_->find(question); known != known_->end()) return known->second;
  }
  if (question.service) return Fault{"services are asked once sluice runs"};
  if (names_are_slow_) return Fault{"not asked, since the name server did not answer before"};
  const uint64_t begin_ms = sys::monotonic_ms();
  const Result<std::vector<Address>> found = resolve_blocking(question.host, question.port);
  if (!found.ok()) {
    names_are_slow_ = sys::monotonic_ms() - begin_ms > patience_ms;
    return found.fault();
  }
  NameTargets targets;
  for (const Address& address : found.value()) targets.push_back({.address = address});
  put_in_order(targets);
  return targets;
}

std::optional<uid_t> MachineInputs::user_id(const std::string& name) {
  const Result<sys::UserIds> found = sys::find_user(name);
  if (!found.ok()) return std::nullopt;
  return found.value().user;
}

std::optional<gid_t> MachineInputs::group_id(const std::string& name) {
  const Result<gid_t> found = sys::find_group(name);
  if (!found.ok()) return std::nullopt;
  return found.value();
}

std::string MachineInputs::group_name(gid_t id) {
  return sys::group_name(id);
}

int MachineInputs::writable(const std::string& path) {
  int error = -sys::may_write(path.c_str());
  if (error == ENOENT) error = -sys::may_write((folder_of(path) + ".").c_str());
  if (error == ENOENT && !run_folder_of(path).empty()) error = -sys::may_write("/run");
  std::error_code ignored;
  if (error == 0 && std::filesystem::is_directory(path, ignored)) error = EISDIR;
  return error;
}

int MachineInputs::bindable(const Address& address) {
  const int fd = sys::stream_socket(address.family());
  if (fd < 0) return -fd;
  const int bound = sys::bind(fd, address);
  sys::close(fd);
  return -bound;
}

std::string MachineInputs::working_folder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::current_path(error);
  if (error) return "";
  const std::string path = folder.string();
  return path.ends_with('/') ? path : path + '/';
}

}  // namespace sluice
