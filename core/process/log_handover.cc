// Numbers are one byte or four, texts one with its length in a byte before it: both ends are one
// program.
#include "core/process/log_handover.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "net/check.h"

namespace sluice {

namespace {

constexpr uint8_t is_on = 1;
constexpr uint8_t may_block = 2;
constexpr uint8_t is_json = 4;
constexpr uint8_t has_syslog = 8;

constexpr size_t most_text_bytes = UINT8_MAX;  // names of machines and addresses are shorter

void put_text(std::vector<uint8_t>& bytes, const std::string& text) {
  SLUICE_CHECK(text.size() <= most_text_bytes);
  bytes.push_back(static_cast<uint8_t>(text.size()));
  bytes.insert(bytes.end(), text.begin(), text.end());
}

void put(std::vector<uint8_t>& bytes, const LogOutput& output) {
  uint8_t flags = 0;
  if (output.on()) flags |= is_on;
  if (output.descriptor.may_block) flags |= may_block;
  if (output.format.form == LogForm::json) flags |= is_json;
  if (output.syslog) flags |= has_syslog;
  bytes.push_back(flags);
  const auto* const most = reinterpret_cast<const uint8_t*>(&output.format.most_value_bytes);
  bytes.insert(bytes.end(), most, most + sizeof output.format.most_value_bytes);
  bytes.push_back(static_cast<uint8_t>(output.format.fields.size()));
  for (const LogField field : output.format.fields) bytes.push_back(static_cast<uint8_t>(field));
  if (!output.syslog) return;
  put_text(bytes, output.syslog->address.text());
  bytes.push_back(output.syslog->facility);
  put_text(bytes, output.syslog->tag);
  put_text(bytes, output.host_name);
}

// At the end of the bytes, or at what cannot be, it has failed, and gives zeros.
class Taker {
 public:
  explicit Taker(std::span<const uint8_t> bytes) : rest_(bytes) {}

  uint8_t byte() {
    const std::span<const uint8_t> one = take(1);
    return one.empty() ? 0 : one[0];
  }
  uint32_t number() {
    uint32_t value = 0;
    const std::span<const uint8_t> bytes = take(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text() {
    const std::span<const uint8_t> bytes = take(byte());
    return {bytes.begin(), bytes.end()};
  }
  void fail() { failed_ = true; }
  bool ended_well() const { return !failed_ && rest_.empty(); }
  bool failed() const { return failed_; }

 private:
  std::span<const uint8_t> take(size_t count) {
    failed_ = failed_ || count > rest_.size();
    if (failed_) return {};
    const std::span<const uint8_t> taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  std::span<const uint8_t> rest_;
  bool failed_ = false;
};

LogOutput take_output(Taker& bytes) {
  LogOutput output;
  const uint8_t flags = bytes.byte();
  if ((flags & is_on) != 0) output.descriptor.fd = 0;
  output.descriptor.may_block = (flags & may_block) != 0;
  if ((flags & is_json) != 0) output.format.form = LogForm::json;
  output.format.most_value_bytes = bytes.number();
  for (uint8_t left = bytes.byte(); left > 0 && !bytes.failed(); --left) {
    const uint8_t field = bytes.byte();
    if (field >= log_field_names().size()) bytes.fail();
    output.format.fields.push_back(static_cast<LogField>(field));
  }
  if (output.format.most_value_bytes > most_log_value_bytes) bytes.fail();
  if ((flags & has_syslog) == 0) return output;
  const Result<Address> address = Address::parse(bytes.text());
  SyslogTarget& syslog = output.syslog.emplace();
  if (address.ok()) {
    syslog.address = address.value();
  } else {
    bytes.fail();
  }
  syslog.facility = bytes.byte();
  syslog.tag = bytes.text();
  output.host_name = bytes.text();
  return output;
}

}  // namespace

std::vector<uint8_t> packed(const LogHandover& logs) {
  std::vector<uint8_t> bytes;
  put(bytes, logs.error);
  put(bytes, logs.access);
  return bytes;
}

std::optional<LogHandover> unpacked_logs(std::span<const uint8_t> bytes) {
  Taker taker(bytes);
  LogHandover logs;
  logs.error = take_output(taker);
  logs.access = take_output(taker);
  if (!taker.ended_well()) return std::nullopt;
  return logs;
}

}  // namespace sluice
