#include "guest-agent/broker/broker_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace locket::guest_agent {
namespace {

// Host data of a report is tested where the report is read: EvidenceSourceTest in tests/attest.
TEST(BrokerLinkTest, WithoutATeesPortEveryQuestionSaysThatThereIsNoTee) {
  const auto tee = FindTee();
  ASSERT_TRUE(tee.ok()) << tee.error().message();
  EXPECT_EQ(tee->name, "none");
  const Error evidence = tee->evidence->GetEvidence({}).error();
  const Error host_data = tee->evidence->OwnHostData().error();
  for (const Error& error : {evidence, host_data}) {
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(error.message(),
              "this guest runs in no TEE, so it cannot attest; set the shim's 'tee'");
  }
}

TEST(MissingTeeTest, OnlyAMeasuredWordLetsALaunchGoWithoutATee) {
  for (const char* line : {"locket.tee=none", "quiet locket.tee=none\n", "a locket.tee=none b"}) {
    EXPECT_TRUE(MayLackTee(line)) << line;
  }
  for (const char* line :
       {"", "quiet", "locket.tee=nonexistent", "xlocket.tee=none", "locket.tee="}) {
    EXPECT_FALSE(MayLackTee(line)) << line;
  }
}

}  // namespace
}  // namespace locket::guest_agent
