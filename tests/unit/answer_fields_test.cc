// What set_response_header and remove_response_header make of an answer.
#include "core/session/answer_fields.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/http1.h"
#include "tests/unit/worker_testing.h"

namespace sluice {
namespace {

// The answer's head as the client gets it, under those directives of its route.
std::string changed(const std::string& directives) {
  testing::TestWorker worker("route /chat\nproxy_pass ws://127.0.0.1:9\n" + directives);
  const testing::Lent lent(worker);
  const RequestHead head;
  UpgradeRequest upgrade;
  upgrade.host = "A.Example";
  const Hop hop{.address = lent.context.client_address};
  AnswerHead answer;
  answer.status = 200;
  answer.reason = "OK";
  answer.fields = {{"X-One", "1"}, {"x-one", "2"}, {"X-Two", "3"}};
  change_answer(lent.context, worker.route(), {head, upgrade, {}, nullptr, hop}, answer);
  const std::string text = write_http1(answer);
  return text.substr(text.find("\r\n"));
}

TEST_CASE("answer fields: removed, then set in place of all of that name") {
  CHECK(changed("") == "\r\nX-One: 1\r\nx-one: 2\r\nX-Two: 3\r\n\r\n");
  CHECK(changed("remove_response_header X-ONE\n") == "\r\nX-Two: 3\r\n\r\n");
  CHECK(changed("set_response_header X-one \"$host here\"\n") ==
        "\r\nX-Two: 3\r\nX-one: a.example here\r\n\r\n");
  CHECK(changed("set_response_header X-New b\nremove_response_header x-two\n") ==
        "\r\nX-One: 1\r\nx-one: 2\r\nX-New: b\r\n\r\n");
}

TEST_CASE("answer fields: without a value the upstream's own does not pass for it") {
  CHECK(changed("set_response_header X-One $http_x_absent\n") == "\r\nX-Two: 3\r\n\r\n");
  CHECK(changed("set_response_header X-Two \"\"\n") == "\r\nX-One: 1\r\nx-one: 2\r\n\r\n");
}

}  // namespace
}  // namespace sluice
