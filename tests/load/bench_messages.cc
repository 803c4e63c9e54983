// Messages: reading them from a file.
#include "tests/load/bench_messages.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "protocol/utf8.h"

namespace sluice::load {

namespace {

using Bytes = std::vector<uint8_t>;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": " + std::strerror(errno));
  Bytes bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.empty()) throw std::runtime_error(path + ": it is empty");
  return bytes;
}

// Without their line ends; a last line without one counts, too.
std::vector<Bytes> lines_of(const Bytes& bytes) {
  std::vector<Bytes> lines;
  for (auto begin = bytes.begin(); begin != bytes.end();) {
    const auto feed = std::find(begin, bytes.end(), uint8_t{'\n'});
    auto end = feed;
    if (end != begin && end[-1] == '\r') --end;
    lines.emplace_back(begin, end);
    begin = feed == bytes.end() ? feed : feed + 1;
  }
  return lines;
}

}  // namespace

Messages::Messages(const BenchOptions& options)
    : pattern_(options.text), payload_bytes_(options.payload_bytes) {
  if (!options.file.empty()) own_ = {read_file(options.file)};
  if (!options.lines_file.empty()) own_ = lines_of(read_file(options.lines_file));
  const std::string& path = options.file.empty() ? options.lines_file : options.file;
  if (path.empty()) return;
  for (size_t i = 0; options.text && i < own_.size(); ++i) {
    if (utf8_whole_bytes(own_[i]) == own_[i].size()) continue;
    throw std::runtime_error(path + ": message " + std::to_string(i + 1) +
                             " is not UTF-8, as a text message must be");
  }
}

Message Messages::message(uint64_t connection, uint64_t number) const {
  if (own_.empty()) return Message(pattern_, connection, number, payload_bytes_);
  return Message(own_[number % own_.size()], connection, number);
}

}  // namespace sluice::load
