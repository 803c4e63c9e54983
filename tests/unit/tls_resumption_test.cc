// Resumption's bounds by themselves; what tickets and clients make of them is tested there.
#include <doctest/doctest.h>

#include <memory>

#include "tests/unit/tls_testing.h"
#include "tls/resumption.h"

namespace sluice {
namespace {

int64_t now_s = 0;
int64_t set_clock() {
  return now_s;
}

TEST_CASE("resumption: the lifetime, or the certificate's end where that comes first") {
  const ResumptionPolicy policy{100, set_clock};
  now_s = 1'000;
  CHECK(policy.left_s({1'000, INT64_MAX}) == 100);
  CHECK(policy.left_s({950, INT64_MAX}) == 50);
  CHECK(policy.left_s({901, INT64_MAX}) == 1);
  CHECK(policy.left_s({900, INT64_MAX}) == 0);
  CHECK(policy.left_s({0, INT64_MAX}) == 0);
  CHECK(policy.left_s({950, 1'010}) == 10);
  CHECK(policy.left_s({950, 1'000}) == 0);
  CHECK(policy.left_s({950, 900}) == 0);
  CHECK(policy.left_s({1'001, INT64_MAX}) == 0);  // yet to come
  CHECK(ResumptionPolicy{0, set_clock}.left_s({1'000, INT64_MAX}) == 0);
}

TEST_CASE("resumption: marks travel with a session's copies, and none is none") {
  using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<&SSL_SESSION_free>>;
  const SessionPtr session(SSL_SESSION_new());
  CHECK(mark_of(session.get()).at_s == 0);
  CHECK(mark_of(session.get()).ends_s == 0);
  REQUIRE(mark_session(session.get(), {1'234, INT64_MAX}));
  const SessionPtr copy(SSL_SESSION_dup(session.get()));
  CHECK(mark_of(copy.get()).at_s == 1'234);
  CHECK(mark_of(copy.get()).ends_s == INT64_MAX);
}

TEST_CASE("resumption: the first of a verified chain's ends counts") {
  using testing::make_identity;
  const testing::Identity& root = testing::test_authority().root;
  const testing::Identity middle =
      make_identity({.common_name = "Middle", .authority = true, .ends_s = 1'000}, &root);
  const testing::Identity leaf =
      make_identity({.common_name = "a.example", .ends_s = 2'000}, &middle);
  TlsServerSettings settings;
  settings.credentials.push_back(testing::credentials_of(leaf, testing::pem_of(middle)));
  const auto server = testing::make_server(std::move(settings));
  const auto client = testing::make_client();
  testing::Conversation met(*server, *client);
  met.open();
  const Authentication found = authentication_of(met.client->ssl(), 77);
  CHECK(found.at_s == 77);
  const int64_t ends_in_s = found.ends_s - system_wall_clock_s();
  CHECK(ends_in_s > 900);
  CHECK(ends_in_s <= 1'000);
  CHECK(authentication_of(met.server->ssl(), 77).ends_s == INT64_MAX);  // nobody asked
}

}  // namespace
}  // namespace sluice
