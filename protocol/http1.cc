// Http1Parser over llhttp. The head's bytes are kept as they came and llhttp's spans are offsets
// into them. llhttp gets them line by line, so that what it lets pass and RFC 9112 does not is
// refused with the line that it stands in.
#include "protocol/http1.h"

#include <algorithm>

#include "net/check.h"
#include "protocol/uri.h"

namespace sluice {

namespace {

constexpr int method_piece = 0;
constexpr int target_piece = 1;  // or a response's reason
constexpr int version_piece = 2;

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

struct Answer {
  int status;
  const char* reason;
};

// llhttp's own reasons differ between releases; these are ours.
Answer answer_to(llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_METHOD:
      return {501, "unknown method"};
    case HPE_INVALID_VERSION:
    case HPE_PAUSED_H2_UPGRADE:
      return {505, "HTTP version other than 1.x"};
    case HPE_INVALID_URL:
      return {400, "malformed target"};
    case HPE_INVALID_HEADER_TOKEN:
      return {400, "malformed field"};
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
    case HPE_STRICT:
      return {400, "line does not end in CRLF"};
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
      return {400, "malformed or doubled Content-Length"};
    case HPE_INVALID_TRANSFER_ENCODING:
      return {400, "malformed Transfer-Encoding"};
    case HPE_INVALID_CHUNK_SIZE:
      return {400, "malformed chunk"};
    case HPE_INVALID_STATUS:
      return {400, "malformed status"};
    default:
      return {400, "malformed HTTP"};
  }
}

}  // namespace

// llhttp's callbacks. `at` points into the bytes being fed; `chunk_` says where those stand in
// text_.
struct Http1Callbacks {
  static Http1Parser& self(llhttp_t* parser) { return *static_cast<Http1Parser*>(parser->data); }

  static int extend(Http1Parser& parser, Http1Parser::Piece& piece, const char* at, size_t length) {
    const auto begin = static_cast<uint32_t>(at - parser.text_.data());
    if (piece.end == 0) piece.begin = begin;
    piece.end = begin + static_cast<uint32_t>(length);
    return 0;
  }

  template <int index>
  static int on_start_piece(llhttp_t* parser, const char* at, size_t length) {
    return extend(self(parser), self(parser).start_pieces_[index], at, length);
  }

  static int on_field(llhttp_t* parser, const char* at, size_t length) {
    Http1Parser& p = self(parser);
    if (p.head_complete_) return 0;  // a trailer, which nobody asked for
    if (!p.in_field_name_) {
      p.in_field_name_ = true;
      p.pieces_.resize(p.pieces_.size() + 2);
    }
    return extend(p, p.pieces_[p.pieces_.size() - 2], at, length);
  }

  static int on_field_complete(llhttp_t* parser) {
    Http1Parser& p = self(parser);
    p.in_field_name_ = false;
    // Not before the name is whole: a malformed one is malformed however its bytes are split.
    const size_t fields = p.pieces_.size() / 2;
    if (p.head_complete_ || p.limits_.fields == 0 || fields <= p.limits_.fields) return 0;
    p.fail_over(Http1Parser::Passed::fields, fields);
    return HPE_USER;
  }

  static int on_value(llhttp_t* parser, const char* at, size_t length) {
    Http1Parser& p = self(parser);
    if (p.head_complete_ || length == 0) return 0;
    return extend(p, p.pieces_.back(), at, length);
  }

  static int on_value_complete(llhttp_t* parser) {
    Http1Parser& p = self(parser);
    if (!p.head_complete_) p.whole_fields_ = p.pieces_.size() / 2;
    return 0;
  }

  static int on_headers_complete(llhttp_t* parser) {
    self(parser).head_complete_ = true;
    return HPE_PAUSED;
  }

  static int on_body(llhttp_t* parser, const char* at, size_t length) {
    Http1Parser& p = self(parser);
    if (!p.count_body_framing(at)) return HPE_USER;
    p.body_->append(at, length);
    p.payload_end_ = at + length;
    p.framing_bytes_ = 0;
    return 0;
  }

  static int on_message_complete(llhttp_t* parser) {
    self(parser).body_complete_ = true;
    return HPE_PAUSED;
  }

  static const llhttp_settings_t* settings() {
    static const llhttp_settings_t all = [] {
      llhttp_settings_t made;
      llhttp_settings_init(&made);
      made.on_method = on_start_piece<method_piece>;
      made.on_url = on_start_piece<target_piece>;
      made.on_status = on_start_piece<target_piece>;
      made.on_version = on_start_piece<version_piece>;
      made.on_header_field = on_field;
      made.on_header_field_complete = on_field_complete;
      made.on_header_value = on_value;
      made.on_header_value_complete = on_value_complete;
      made.on_headers_complete = on_headers_complete;
      made.on_body = on_body;
      made.on_message_complete = on_message_complete;
      return made;
    }();
    return &all;
  }
};

Http1Parser::Http1Parser(Role role, const Limits& limits) : role_(role), limits_(limits) {
  next_head();
}

void Http1Parser::next_head() {
  llhttp_init(&parser_, role_ == Role::request ? HTTP_REQUEST : HTTP_RESPONSE,
              Http1Callbacks::settings());
  parser_.data = this;
  request_ = RequestHead();
  answer_ = AnswerHead();
  earlier_bytes_ += text_.size();
  text_.clear();
  pieces_.clear();
  whole_fields_ = 0;
  for (Piece& piece : start_pieces_) piece = Piece();
  status_ = 0;
  connection_options_ = 0;
  framing_bytes_ = 0;
  start_line_read_ = host_read_ = head_complete_ = body_complete_ = in_field_name_ = false;
}

Http1Parser::Fed Http1Parser::feed_head(std::string_view bytes) {
  if (status_ != 0) return {Outcome::failed, 0};
  SLUICE_CHECK(!head_complete_);
  const size_t before = text_.size();
  size_t taken = 0;
  while (taken < bytes.size() && status_ == 0 && !head_complete_) {
    const size_t room = limits_.head_bytes - earlier_bytes_ - text_.size();
    const size_t line_end = std::min(bytes.find('\n', taken), bytes.size() - 1) + 1;
    const std::string_view piece = bytes.substr(taken, std::min(line_end - taken, room));
    take(piece);
    taken += piece.size();
    if (status_ == 0 && !head_complete_ && piece.size() == room) {
      fail_over(Passed::head_bytes, earlier_bytes_ + text_.size() + (bytes.size() - taken));
    }
  }
  if (status_ != 0) return {Outcome::failed, text_.size() - before};
  return {head_complete_ ? Outcome::complete : Outcome::more, text_.size() - before};
}

// Bytes of one line.
void Http1Parser::take(std::string_view piece) {
  const size_t before = text_.size();
  text_ += piece;
  const llhttp_errno_t error =
      llhttp_execute(&parser_, text_.data() + before, text_.size() - before);
  if (head_complete_) {
    text_.resize(stopped_at());
    finish_head();
  } else if (error != HPE_OK) {
    fail_as_llhttp(error);
  } else if (piece.ends_with('\n')) {
    check_line();
  }
}

void Http1Parser::fail_as_llhttp(llhttp_errno_t error) {
  if (status_ != 0) return;  // a callback of ours said why
  Answer answer = answer_to(error);
  if (error == HPE_INVALID_METHOD) {
    // A method that nobody knows differs from bytes that are none. What stands behind the byte that
    // llhttp stopped at may not have come yet, so it must not matter.
    const std::string_view seen = std::string_view(text_).substr(0, stopped_at() + 1);
    if (!is_token(seen)) answer = {400, "malformed method"};
  }
  if (error == HPE_INVALID_VERSION) {
    // "HTTP/3.0" is another version, "HTTP/x" is none, and "HTTP/1.1 " is a malformed line.
    const size_t begin = text_.find("HTTP/", start_pieces_[target_piece].end);
    const std::string version = begin == std::string::npos ? "" : text_.substr(begin + 5, 3);
    const bool number =
        version.size() == 3 && version[1] == '.' && is_digit(version[0]) && is_digit(version[2]);
    if (!number || version == "1.0" || version == "1.1") answer = {400, "malformed request line"};
  }
  fail(answer.status, answer.reason);
}

size_t Http1Parser::stopped_at() const {
  return static_cast<size_t>(llhttp_get_error_pos(&parser_) - text_.data());
}

std::string_view Http1Parser::view(const Piece& piece) const {
  return std::string_view(text_).substr(piece.begin, piece.end - piece.begin);
}

// text_ ends with that line.
void Http1Parser::check_line() {
  if (start_line_read_) return check_field();
  const Piece& first = start_pieces_[role_ == Role::request ? method_piece : version_piece];
  if (first.end != 0) return check_start_line();
  // RFC 9112 2.2: an empty line before the first may be ignored.
  if (text_ != "\r\n") fail(400, "bytes before the first line");
}

void Http1Parser::check_start_line() {
  start_line_read_ = true;
  if (parser_.http_major != 1) return fail(505, "HTTP version other than 1.x");
  const std::string_view text = text_;
  const Piece& version = start_pieces_[version_piece];
  const bool request = role_ == Role::request;
  const Piece& method = start_pieces_[method_piece];
  const size_t begin = request ? method.begin : version.begin - 5;
  if (begin != 0 && text.substr(0, begin) != "\r\n") {
    return fail(400, "bytes before the first line");
  }
  if (request) {
    const Piece& target = start_pieces_[target_piece];
    const bool clean = target.begin == method.end + 1 && version.begin == target.end + 6 &&
                       text.substr(target.end, 6) == " HTTP/";
    if (!clean) return fail(400, "malformed request line");
    check_target(view(method), view(target));
  } else {
    const size_t end = std::min(text.find('\r', version.end), text.size());
    const bool clean = text.substr(end, 2) == "\r\n";
    if (!clean || !header_value_valid(text.substr(version.end, end - version.end))) {
      return fail(400, "malformed status line");
    }
    const int status = parser_.status_code;
    if (status < 100 || status > 599) fail(400, "status out of range");
  }
}

// CONNECT has a target of its own kind, and nobody makes tunnels of it.
void Http1Parser::check_target(std::string_view method, std::string_view target) {
  if (method == "CONNECT") return fail(405, "CONNECT");
  if (target == "*" && method == "OPTIONS") return;  // RFC 9112 3.2.4
  const Result<RequestTarget> parsed = parse_request_target(target);
  if (!parsed.ok()) fail(400, parsed.fault().what);
}

// Judges one field without a look at the others.
void Http1Parser::check_field() {
  if (pieces_.empty()) return;
  const std::string_view name = view(pieces_[pieces_.size() - 2]);
  const std::string_view value = without_blanks(view(pieces_.back()));
  if (equals_ignoring_case(name, "Transfer-Encoding") && parser_.http_minor == 0) {
    return fail(400, "Transfer-Encoding in HTTP/1.0");  // RFC 9112 6.1
  }
  if (limits_.fields != 0 && equals_ignoring_case(name, "Connection")) {
    for_each_element(value, [this](std::string_view) { ++connection_options_; });
    if (connection_options_ <= limits_.fields) return;
    return fail_over(Passed::connection_options, connection_options_);
  }
  if (role_ != Role::request || !equals_ignoring_case(name, "Host")) return;
  if (host_read_) return fail(400, "second Host");  // RFC 9112 3.2
  host_read_ = true;
  if (!parse_authority(value).ok()) fail(400, "malformed Host");
}

void Http1Parser::finish_head() {
  if (!start_line_read_) check_start_line();
  if (status_ != 0) return;
  Head* head = &request_;
  if (role_ == Role::request) {
    request_.method = view(start_pieces_[method_piece]);
    request_.target = view(start_pieces_[target_piece]);
  } else {
    head = &answer_;
    answer_.status = parser_.status_code;
    answer_.reason = view(start_pieces_[target_piece]);
  }
  head->major_version = parser_.http_major;
  head->minor_version = parser_.http_minor;
  head->fields = fields(pieces_.size() / 2);
  if (role_ == Role::response) find_framing();
}

std::vector<HeaderField> Http1Parser::fields(size_t count) const {
  std::vector<HeaderField> fields;
  fields.reserve(count);
  for (size_t i = 0; i < 2 * count; i += 2) {
    fields.push_back({view(pieces_[i]), without_blanks(view(pieces_[i + 1]))});
  }
  return fields;
}

RequestHead Http1Parser::request_so_far() const {
  std::string_view line = text_;
  line.remove_prefix(std::min(line.find_first_not_of("\r\n"), line.size()));
  line = line.substr(0, line.find_first_of("\r\n"));
  const size_t blank = std::min(line.find(' '), line.size());
  RequestHead head;
  head.method = line.substr(0, blank);
  line.remove_prefix(blank);
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  head.target = line.substr(0, line.find(' '));
  head.fields = fields(whole_fields_);
  return head;
}

// RFC 9112 6.3. A body travels as it came, so its coding must be one that
// every recipient takes away.
void Http1Parser::find_framing() {
  const int status = answer_.status;
  const std::string_view* const coding = answer_.find("Transfer-Encoding");
  content_length_ = 0;
  if (status < 200 || status == 204 || status == 304 || answers_head_request_) {
    framing_ = Framing::none;
  } else if (coding != nullptr) {
    framing_ = Framing::chunked;
    if (answer_.count("Transfer-Encoding") > 1 || !equals_ignoring_case(*coding, "chunked")) {
      fail(400, "Transfer-Encoding other than chunked");
    }
  } else if ((parser_.flags & F_CONTENT_LENGTH) != 0) {
    framing_ = Framing::length;
    content_length_ = parser_.content_length;
  } else {
    framing_ = Framing::until_close;
  }
}

Http1Parser::Fed Http1Parser::feed_body(std::string_view bytes, std::string& body) {
  SLUICE_CHECK(head_complete_);
  if (status_ != 0) return {Outcome::failed, 0};
  if (framing_ == Framing::none || (framing_ == Framing::length && content_length_ == 0)) {
    body_complete_ = true;
  }
  if (body_complete_) return {Outcome::complete, 0};
  if (bytes.empty()) return {Outcome::more, 0};
  if (llhttp_get_errno(&parser_) == HPE_PAUSED) llhttp_resume(&parser_);
  body_ = &body;
  payload_end_ = bytes.data();
  const llhttp_errno_t error = llhttp_execute(&parser_, bytes.data(), bytes.size());
  body_ = nullptr;
  const char* end = error == HPE_OK ? bytes.data() + bytes.size() : llhttp_get_error_pos(&parser_);
  if (status_ == 0 && count_body_framing(end)) {
    if (body_complete_) return {Outcome::complete, static_cast<size_t>(end - bytes.data())};
    if (error == HPE_OK) return {Outcome::more, bytes.size()};
    fail_as_llhttp(error);
  }
  body_complete_ = false;
  return {Outcome::failed, 0};
}

// Up to `end` nothing more is payload. False where that is too much in a row.
bool Http1Parser::count_body_framing(const char* end) {
  framing_bytes_ += static_cast<size_t>(end - payload_end_);
  payload_end_ = end;
  if (framing_ != Framing::chunked || framing_bytes_ <= limits_.head_bytes) return true;
  fail_over(Passed::body_framing, framing_bytes_);
  return false;
}

bool Http1Parser::finish_body() {
  if (framing_ == Framing::until_close && status_ == 0) body_complete_ = true;
  return body_complete_;
}

// 414 where a request's first line alone is over the limit, 431 else.
void Http1Parser::fail_over(Passed limit, size_t seen) {
  passed_ = limit;
  seen_ = seen;
  if (limit == Passed::fields) return fail(431, "too many fields");
  if (limit == Passed::connection_options) return fail(431, "too many Connection options");
  if (limit == Passed::body_framing) return fail(431, "chunk extensions or trailers too large");
  const bool in_first_line = role_ == Role::request && !start_line_read_;
  fail(in_first_line ? 414 : 431, in_first_line ? "request line too long" : "head too large");
}

void Http1Parser::fail(int status, const char* reason) {
  status_ = status;
  reason_ = reason;
}

namespace {

void append_fields(std::string& out, const Head& head) {
  for (const HeaderField& field : head.fields) {
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  out += "\r\n";
}

}  // namespace

std::string write_http1(const RequestHead& head) {
  std::string out;
  out.reserve(1024);
  out.append(head.method).append(" ").append(head.target);
  out += head.minor_version == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  append_fields(out, head);
  return out;
}

std::string write_http1(const AnswerHead& head) {
  std::string out;
  out.reserve(512);
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(head.reason);
  out += "\r\n";
  append_fields(out, head);
  return out;
}

}  // namespace sluice
