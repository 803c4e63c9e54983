// Pem: what a file of certificates or CRLs holds, with its digest. Its copies share it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tls/digest.h"

namespace sluice {

class Pem {
 public:
  Pem() = default;       // no file was named
  Pem(std::string text)  // NOLINT: implicit, it is the same text
      : file_(text.empty() ? nullptr : std::make_shared<const File>(std::move(text))) {}

  bool empty() const { return file_ == nullptr; }
  std::string_view view() const { return file_ == nullptr ? std::string_view() : file_->text; }
  // All zeros where it is empty.
  const Digest& digest() const { return file_ == nullptr ? none : file_->digest; }

 private:
  struct File {
    explicit File(std::string content)
        : text(std::move(content)), digest(Digester("PEM").add(text).finish()) {}
    std::string text;
    Digest digest;
  };
  static constexpr Digest none{};

  std::shared_ptr<const File> file_;
};

}  // namespace sluice
