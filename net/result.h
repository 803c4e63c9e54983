// Result<T>: a value or a Fault, the way functions fail once the loop turns. May be included
// everywhere.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace sluice {

// Why something failed. `what` points at static text and is never owned; `error` is an errno value
// or 0 where the kernel had no part in it.
struct Fault {
  const char* what = "";
  int error = 0;

  // "connect: Connection refused", for logs.
  std::string text() const {
    if (error == 0) return what;
    return std::string(what) + ": " + std::strerror(error);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(Fault fault) : state_(std::in_place_index<1>, fault) {}         // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok(); std::get throws otherwise, which is our own fault, not a peer's.
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  // Only when !ok().
  const Fault& fault() const { return std::get<1>(state_); }

 private:
  std::variant<T, Fault> state_;
};

// A Result without a value.
struct Done {};
using Status = Result<Done>;

}  // namespace sluice
