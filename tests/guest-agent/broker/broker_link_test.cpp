#include "guest-agent/broker/broker_link.h"

#include <gmock/gmock.h>

#include "attest/snp_report.h"

namespace locket::guest_agent {
namespace {

TEST(BrokerLinkTest, HostDataIsTheOwnReports) {
  attest::SnpReport report;
  report.host_data.fill(std::byte{9});
  report.signature_r.fill(std::byte{1});
  report.signature_s.fill(std::byte{1});
  attest::FakeEvidenceSource source([&](const attest::ReportData&) -> Result<attest::Evidence> {
    return attest::Evidence{.tee = "snp",
                            .snp = {.report = attest::EncodeSnpReport(report), .certificates = ""}};
  });
  const auto host_data = OwnHostData(source);
  ASSERT_TRUE(host_data.ok()) << host_data.error().message();
  EXPECT_EQ(*host_data, report.host_data);
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
