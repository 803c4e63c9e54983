// Recording: what a machine answered while a conf was loaded from it, so that another process can
// load the same conf without touching a file. It holds what the files hold, keys as well.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/inputs.h"
#include "net/address.h"
#include "tls/secret.h"

namespace sluice {

// Asks another one and writes down each answer, in the order of the questions.
class RecordingInputs final : public ConfInputs {
 public:
  // A recording has at most so many bytes; see full(). `asked` outlives this.
  RecordingInputs(ConfInputs& asked, size_t most_bytes) : asked_(asked), record_(most_bytes) {}

  // The recording. Good until the next question; wiped with this.
  std::string_view bytes() const { return record_.view(); }
  // An answer found no room: the recording is of no use.
  bool full() const { return full_; }

  int read(const std::string& path, Secret& content, FileFacts& facts) override;
  std::vector<std::string> glob(const std::string& pattern) override;
  std::optional<std::string> variable(const std::string& name) override;
  Result<NameTargets> resolve(const NameQuestion& question) override;
  std::optional<uid_t> user_id(const std::string& name) override;
  std::optional<gid_t> group_id(const std::string& name) override;
  std::string group_name(gid_t id) override;
  int writable(const std::string& path) override;
  int bindable(const Address& address) override;
  std::string working_folder() override;

 private:
  void add(std::string_view bytes);

  ConfInputs& asked_;
  Secret record_;
  bool full_ = false;
};

// Answers from a recording. A loader that asks what was not asked then, or in another order, gets
// "no such thing" from there on: strayed() says so, and its Config is not the one recorded.
class RecordedInputs final : public ConfInputs {
 public:
  // `bytes` outlive this. They may come from anywhere: what is malformed strays. A Fault that it
  // answers with is good as long as this is.
  explicit RecordedInputs(std::string_view bytes) : left_(bytes) {}

  bool strayed() const { return strayed_; }
  // Every answer was asked for, and nothing else.
  bool used_up() const { return !strayed_ && left_.empty(); }

  int read(const std::string& path, Secret& content, FileFacts& facts) override;
  std::vector<std::string> glob(const std::string& pattern) override;
  std::optional<std::string> variable(const std::string& name) override;
  Result<NameTargets> resolve(const NameQuestion& question) override;
  std::optional<uid_t> user_id(const std::string& name) override;
  std::optional<gid_t> group_id(const std::string& name) override;
  std::string group_name(gid_t id) override;
  int writable(const std::string& path) override;
  int bindable(const Address& address) override;
  std::string working_folder() override;

 private:
  // Takes the next entry's question, which must be that one.
  void expect(uint8_t question, std::string_view about);
  // These take the next part of an answer; nothing and "" once it has strayed.
  uint32_t number();
  std::string_view text();

  std::string_view left_;
  std::list<std::string> faults_;  // a Fault's text lives as long as this
  bool strayed_ = false;
};

}  // namespace sluice
