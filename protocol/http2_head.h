// Http2Head: a head that came over HTTP/2, field by field, for Http2Request and Http2Reply, which
// tell it as HTTP/1.1. It takes nothing that the text could say in another way than the fields did.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

class Http2Head {
 public:
  bool has_length() const { return has_length_; }  // Content-Length
  size_t bytes() const { return bytes_; }          // that came; the text has no fewer
  bool is_too_large() const { return bytes_ > most_bytes_; }

 protected:
  // `most_bytes`: of the text; more than that and a field are never kept, so that who reads it sees
  // that it is too large.
  explicit Http2Head(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Whether the field is taken, where that is known without looking at what it says; nothing: the
  // caller looks. A pseudo-header field keeps its colon.
  std::optional<bool> judge(std::string_view name, std::string_view value);
  void keep(std::string_view name, std::string_view value);
  static void add_line(std::string& text, std::string_view name, std::string_view value);
  // Fields are missing in a text that is full: this line keeps anybody from taking the rest for
  // all.
  void end_text(std::string& text) const;

  size_t text_bytes() const;  // about; for reserve()
  const std::string& fields() const { return fields_; }

 private:
  size_t most_bytes_;
  size_t bytes_ = 0;    // that came
  std::string fields_;  // lines
  bool has_length_ = false;
  bool regular_ = false;  // a field that is no pseudo-header has come
};

}  // namespace sluice
