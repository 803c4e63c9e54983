// A body travels as it came, so that what is read of it must be what its upstream wrote, framing
// and all: an answer is whole where nothing of that lacks.
#include "tests/sim/http_reader.h"

#include <algorithm>
#include <charconv>

#include "tests/sim/world.h"

namespace sluice::sim {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr std::string_view head_end = "\r\n\r\n";

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
}

int status_of(std::string_view line) {
  int status = 0;
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 13) return 0;
  std::from_chars(line.data() + 9, line.data() + 12, status);
  return status;
}

}  // namespace

bool PlainHead::read(std::string_view text) {
  const size_t first = text.find(line_end);
  line = text.substr(0, first);
  text.remove_prefix(first + 2);
  while (text != line_end) {
    const std::string_view field = text.substr(0, text.find(line_end));
    text.remove_prefix(field.size() + 2);
    const size_t colon = field.find(": ");
    if (colon == 0 || colon == std::string_view::npos) return false;
    std::string name(field.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(), lower);
    const bool plain = std::all_of(name.begin(), name.end(), [](char byte) {
      return byte == '-' || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    });
    if (!plain || field.find_first_of("\r\n") != std::string_view::npos) return false;
    fields.emplace_back(std::move(name), field.substr(colon + 2));
  }
  return true;
}

size_t PlainHead::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(
      fields.begin(), fields.end(), [name](const auto& field) { return field.first == name; }));
}

std::string_view PlainHead::value(std::string_view name) const {
  for (const auto& field : fields) {
    if (field.first == name) return field.second;
  }
  return {};
}

std::string_view AnswerReader::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (over() && bytes.size() <= spare_bytes_) {
      spare_bytes_ -= bytes.size();
      bytes_ += bytes.size();
      return {};
    }
    if (over()) fail("got bytes behind an answer that ends its connection");
    if (all_answered()) return bytes;
    const size_t before = bytes.size();
    if (in_body_) {
      take_body(bytes);
    } else {
      take_head(bytes);
    }
    bytes_ += before - bytes.size();
  }
  return bytes;
}

void AnswerReader::take_head(std::string_view& bytes) {
  const size_t before = text_.size();
  text_ += bytes;
  const size_t end = text_.find(head_end);
  if (end == std::string::npos) {
    part_bytes_ += bytes.size();
    bytes = {};
    return;
  }
  const size_t taken = end + head_end.size() - before;
  bytes.remove_prefix(taken);
  part_bytes_ += taken;
  text_.resize(end + head_end.size());
  PlainHead head;
  if (!head.read(text_)) fail("got a head that is none");
  text_.clear();
  judge_head(head);
}

void AnswerReader::judge_head(const PlainHead& head) {
  const int status = status_of(head.line);
  if (status < 200 && status >= 100 && status != 101) return judge_interim(head);
  if (status < 200) fail("got no final answer: " + head.line);
  ++heads_;
  in_body_ = true;
  body_bytes_ = 0;
  const std::string_view connection = head.value("connection");
  closes_ = connection == "close";
  if (head.count("connection") > (closes_ ? 1 : 0)) fail("got a Connection");
  if (head.count("x-request") == 0) {
    judge_own(head, status);
  } else {
    judge_relayed(head, status);
  }
}

void AnswerReader::judge_interim(const PlainHead& head) {
  judge_fields(head);
  if (request().old) fail("got an interim answer to HTTP/1.0");
  const std::string_view number = head.value("x-interim");
  if (number == "0") interims_ = 0;  // another peer was asked
  if (number != std::to_string(interims_)) fail("got interim answers in another order");
  if (++interims_ > request().answer.interims) fail("got an interim answer too many");
}

void AnswerReader::judge_own(const PlainHead& head, int status) {
  own_status_ = status;
  if (!closes_) fail("got an answer of the proxy's own that ends nothing");
  const std::string_view length = head.value("content-length");
  std::from_chars(length.data(), length.data() + length.size(), own_bytes_);
  if (length.empty() || head.count("transfer-encoding") > 0) fail("got an own answer without end");
  // Where the head did not come whole its method is not known.
  if (request().method == "HEAD") spare_bytes_ = std::exchange(own_bytes_, 0);
  if (own_bytes_ == 0) end_answer();
}

void AnswerReader::judge_relayed(const PlainHead& head, int status) {
  judge_fields(head);
  own_status_ = 0;
  const PlainAnswer& answer = request().answer;
  if (!request().heads) fail("got an answer to a request that must reach nobody");
  if (answer.refused) fail("got an answer that nobody may relay");
  if (status != answer.status) fail("got another status");
  if (head.value("x-kept") != answer.kept) fail("got another X-Kept");
  if (interims_ != answer.interims && !request().old) fail("got too few interim answers");
  if (head.value("content-length") != answer.length || head.count("content-length") > 1) {
    fail("got Content-Length: " + std::string(head.value("content-length")) + ", not " +
         answer.length);
  }
  const bool in_chunks = answer.framing == BodyFraming::chunked;
  if (head.count("transfer-encoding") != (in_chunks ? 1 : 0)) fail("got another framing");
  if (in_chunks && head.value("transfer-encoding") != "chunked") fail("got another coding");
  if (answer.framing == BodyFraming::until_close) {
    if (!closes_) fail("got a body until the end of a connection that is kept");
    return;
  }
  if (answer.body.empty()) end_answer();
}

// What every head of an upstream's has, and what none may bring along.
void AnswerReader::judge_fields(const PlainHead& head) const {
  if (head.value("x-request") != request().id) {
    fail("got the answer to " + std::string(head.value("x-request")));
  }
  for (const char* name : {"x-drop", "keep-alive", "te", "upgrade"}) {
    if (head.count(name) > 0) fail(std::string("got the hop-by-hop field ") + name);
  }
}

void AnswerReader::take_body(std::string_view& bytes) {
  if (own_status_ != 0) {
    const size_t taken = static_cast<size_t>(std::min<uint64_t>(bytes.size(), own_bytes_));
    own_bytes_ -= taken;
    bytes.remove_prefix(taken);
    if (own_bytes_ == 0) end_answer();
    return;
  }
  const PlainAnswer& answer = request().answer;
  const std::string_view left = std::string_view(answer.body).substr(body_bytes_);
  const std::string_view taken = bytes.substr(0, left.size());
  if (!left.starts_with(taken)) fail("got a body that was changed");
  if (taken.empty()) fail("got more than the whole body");
  body_bytes_ += taken.size();
  bytes.remove_prefix(taken.size());
  const bool endless = answer.framing == BodyFraming::until_close;
  if (!endless && body_bytes_ == answer.body.size()) end_answer();
}

void AnswerReader::end_answer() {
  in_body_ = false;
  part_bytes_ = 0;
  interims_ = 0;
  ++answered_;
}

void AnswerReader::fail(const std::string& what) const {
  world().fail(who_ + " " + what + ", at request " +
               plan_.requests[std::min(answered_, plan_.requests.size() - 1)].id);
}

}  // namespace sluice::sim
