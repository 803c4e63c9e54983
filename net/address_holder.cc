// The kernel's tables name the inodes of listening sockets, and each process's folder those that it
// holds (proc(5)).
#include "net/address_holder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <vector>

#include "net/printable.h"

namespace sluice {

namespace {

constexpr const char* tcp_listening = "0A";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// "sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode": an address is
// HOST:PORT in hex. Whatever listens on the port is named: it may hold all addresses.
void add_tcp_listeners(const std::string& table, uint16_t port, std::set<std::string>& inodes) {
  std::ifstream file(table);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 10 || words[3] != tcp_listening) continue;
    const size_t colon = words[1].find(':');
    if (colon == std::string::npos) continue;
    if (std::strtoul(words[1].c_str() + colon + 1, nullptr, 16) == port) inodes.insert(words[9]);
  }
}

// "Num RefCount Protocol Flags Type St Inode Path"
void add_unix_sockets(const std::string& table, const std::string& path,
                      std::set<std::string>& inodes) {
  std::ifstream file(table);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() >= 8 && line.ends_with(" " + path)) inodes.insert(words[6]);
  }
}

bool holds_one(const std::filesystem::path& process, const std::set<std::string>& inodes) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(process / "fd", error)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!target.starts_with("socket:[") || !target.ends_with("]")) continue;
    if (inodes.contains(target.substr(8, target.size() - 9))) return true;
  }
  return false;
}

}  // namespace

std::string holder_of(const Address& address, const std::string& root) {
  std::set<std::string> inodes;
  const std::string net = root + "/proc/net/";
  if (address.is_unix()) {
    add_unix_sockets(net + "unix", address.unix_path(), inodes);
  } else {
    add_tcp_listeners(net + "tcp", address.port(), inodes);
    add_tcp_listeners(net + "tcp6", address.port(), inodes);
  }
  if (inodes.empty()) return "";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root + "/proc", error)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!holds_one(entry.path(), inodes)) continue;
    std::ifstream file(entry.path() / "comm");
    std::string program;
    std::getline(file, program);
    return (program.empty() ? "a program" : printable(program)) + ", pid " + pid;
  }
  return "";
}

}  // namespace sluice
