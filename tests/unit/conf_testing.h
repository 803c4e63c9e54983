// What the conf's unit tests share: a folder for files, and loading from text. It keeps nothing
// between tests: folder and variables go with their objects.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/conf/conf.h"
#include "core/conf/machine_inputs.h"

namespace sluice::testing {

// A new temporary folder, removed with everything in it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern + "/";
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  // With its final '/'.
  const std::string& path() const { return path_; }

  // Writes the file, and the folders above it; returns its path.
  std::string write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file.string();
  }
  // The same for a private key.
  std::string write_key(const std::string& name, std::string_view content) const {
    const std::string file = write(name, content);
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return file;
  }

 private:
  std::string path_;
};

// An environment variable for as long as the object lives.
class TestVariable {
 public:
  TestVariable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~TestVariable() { ::unsetenv(name_); }
  TestVariable(const TestVariable&) = delete;
  TestVariable& operator=(const TestVariable&) = delete;

 private:
  const char* name_;
};

inline ConfOutcome load_file(const std::string& path, const ConfOptions& options = {}) {
  MachineInputs inputs;
  return load_conf(path, options, inputs);
}

inline ConfOutcome load_text(std::string_view text) {
  const TestFolder folder;
  return load_file(folder.write("test.conf", text));
}

// What a conf needs beside the directive that a test is about.
inline constexpr std::string_view listen_8080 = "listen 127.0.0.1:8080\n";
inline constexpr std::string_view route_9001 = "route /\n  proxy_pass ws://127.0.0.1:9001\n";

// A conf of `top` lines, a listener with `listener` lines, a route with `route` lines.
inline std::string conf_of(std::string_view top, std::string_view listener = "",
                           std::string_view route = "") {
  std::string text(top);
  text.append("\n").append(listen_8080).append(listener).append("\n");
  return text.append(route_9001).append(route).append("\n");
}

// A header's value that holds no variables; of variables the number of each and its NAME.
inline std::string text_of(const HeaderValue& value) {
  std::string text;
  for (const HeaderValue::Piece& piece : value.pieces()) {
    const bool plain = piece.variable == Variable::text;
    text += plain ? piece.text
                  : "<" + std::to_string(static_cast<int>(piece.variable)) + piece.text + ">";
  }
  return text;
}

// The errors as "LINE: what", one a line; "" for a good conf.
inline std::string errors_of(const ConfOutcome& outcome) {
  std::string text;
  for (const ConfError& error : outcome.errors) {
    text += std::to_string(error.line) + ": " + error.what + "\n";
  }
  CHECK(outcome.errors.empty() == (outcome.config != nullptr));
  return text;
}

inline std::string errors_in(std::string_view text) {
  return errors_of(load_text(text));
}

// The Config of a conf that must be good.
inline std::unique_ptr<Config> good(std::string_view text) {
  ConfOutcome outcome = load_text(text);
  CAPTURE(text);
  REQUIRE(errors_of(outcome) == "");
  return std::move(outcome.config);
}

}  // namespace sluice::testing
