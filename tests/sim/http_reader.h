// AnswerReader: answers to the plain requests of one connection, as they come, held against what
// their upstreams' plans say. It stands where the proxy sends and where the client reads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/http_plan.h"

namespace sluice::sim {

// A head, read by nothing but lines that end in CRLF; names in lower case.
struct PlainHead {
  std::string line;
  std::vector<std::pair<std::string, std::string>> fields;

  // `text` ends with the empty line. False where a line is no field.
  bool read(std::string_view text);
  size_t count(std::string_view name) const;
  // The first one's value, "" where there is none.
  std::string_view value(std::string_view name) const;
};

class AnswerReader {
 public:
  // Fails the run, saying `who` read it, where an answer is neither its request's nor a whole
  // answer of the proxy's own. The plan outlives this.
  AnswerReader(const VisitPlan& plan, std::string who) : plan_(plan), who_(std::move(who)) {}

  // Returns what lies behind the last answer, on a connection that is kept.
  std::string_view feed(std::string_view bytes);

  size_t answered() const { return answered_; }  // requests whose answer is whole
  bool all_answered() const { return answered_ == plan_.requests.size(); }
  // Something of the next answer came, interim ones included.
  bool begun() const { return part_bytes_ > 0; }
  bool continued() const { return interims_ > 0; }
  // The latest head: one that says so, and the status of one of the proxy's own, 0 before.
  bool closes() const { return closes_; }
  int own_status() const { return own_status_; }
  // It is whole, as far as its framing tells, and nothing follows it.
  bool over() const { return closes_ && !in_body_; }
  // Of the answer at hand, behind its head.
  bool in_body() const { return in_body_; }
  uint64_t body_bytes() const { return body_bytes_; }
  uint64_t bytes() const { return bytes_; }  // in all
  size_t heads() const { return heads_; }    // final ones

 private:
  const PlainRequest& request() const { return plan_.requests[answered_]; }
  void take_head(std::string_view& bytes);
  void take_body(std::string_view& bytes);
  void end_answer();
  void judge_head(const PlainHead& head);
  void judge_interim(const PlainHead& head);
  void judge_own(const PlainHead& head, int status);
  void judge_relayed(const PlainHead& head, int status);
  void judge_fields(const PlainHead& head) const;
  [[noreturn]] void fail(const std::string& what) const;

  const VisitPlan& plan_;
  std::string who_;
  std::string text_;  // of a head that is not whole
  size_t answered_ = 0;
  size_t interims_ = 0;
  size_t heads_ = 0;
  uint64_t bytes_ = 0;
  uint64_t part_bytes_ = 0;  // of the answer at hand
  uint64_t body_bytes_ = 0;
  uint64_t own_bytes_ = 0;    // of an own answer's body
  uint64_t spare_bytes_ = 0;  // the same, where there need be none
  int own_status_ = 0;
  bool closes_ = false;
  bool in_body_ = false;
};

}  // namespace sluice::sim
