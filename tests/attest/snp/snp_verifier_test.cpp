// The broker's seam: which error means "not evidence" and which "not genuine", and who answers for
// the emulated TEE.
#include "attest/snp/snp_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/emulator/emulated_verifier.h"
#include "base/encoding.h"
#include "tests/attest/made_chain.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::chrono::system_clock::time_point Now() { return std::chrono::system_clock::now(); }

Evidence Emulated(const SnpReport& report = TestReport()) {
  return {.primary = EncodeSnpEvidence(
              {.report = SignReport(report), .certificates = TestRootCertificates()})};
}

TEST(SnpEvidenceTest, IsTheObjectOfTheKbsProtocol) {
  const SnpEvidence evidence{.report = {std::byte{0}, std::byte{255}}, .certificates = "PEM\n"};
  const std::string text = EncodeSnpEvidence(evidence);
  EXPECT_EQ(text, R"({"attestation_report":"AP8=","cert_chain":"PEM\n"})");
  const auto back = DecodeSnpEvidence(text);
  ASSERT_TRUE(back.ok()) << back.error().message();
  EXPECT_EQ(back->report, evidence.report);
  EXPECT_EQ(back->certificates, evidence.certificates);
}

TEST(SnpVerifierTest, WhatHasNotTheFormIsInvalidAndNothingIsChecked) {
  const SnpVerifier snp({AmdMilanRoot()});
  const EmulatedVerifier emulated(TestSnpRoot(), EmulatedGuests::kAllow,
                                  std::make_unique<SnpVerifier>(std::vector{AmdMilanRoot()}));
  const std::pair<const char*, const char*> table[] = {
      {"", "not JSON"},
      {"[]", "not a JSON object"},
      {"{}", "'attestation_report' is missing"},
      {R"({"attestation_report":7,"cert_chain":""})", "'attestation_report' is not text"},
      {R"({"attestation_report":"AAA","cert_chain":""})", "'attestation_report': "},
      {R"({"attestation_report":"A A=","cert_chain":""})", "'attestation_report': "},
      {R"({"attestation_report":""})", "'cert_chain' is missing"},
      {R"({"attestation_report":"","cert_chain":null})", "'cert_chain' is not text"},
      {R"({"attestation_report":"","attestation_report":"","cert_chain":""})", "twice"}};
  for (const auto& [primary, reason] : table) {
    for (const Verifier* verifier :
         {static_cast<const Verifier*>(&snp), static_cast<const Verifier*>(&emulated)}) {
      const auto verified = verifier->Verify({.primary = primary}, Now());
      ASSERT_FALSE(verified.ok()) << primary;
      EXPECT_EQ(verified.error().code(), ErrorCode::kInvalidArgument) << primary;
      EXPECT_THAT(verified.error().message(), StartsWith("'primary_evidence': ")) << primary;
      EXPECT_THAT(verified.error().message(), HasSubstr(reason)) << primary;
    }
  }
}

// The broker writes these into its audit log, and not the former.
TEST(SnpVerifierTest, WhatProvesNothingIsDeniedEvenIfItIsNoReportAtAll) {
  const SnpVerifier snp({AmdMilanRoot()});
  const std::pair<SnpEvidence, const char*> table[] = {
      {{.report = {}, .certificates = ""}, "0 bytes, not 1184"},
      {{.report = std::vector<std::byte>(1184), .certificates = ""}, "version 0"},
      {{.report = EncodeSnpReport(SnpReport()), .certificates = ""}, "not a list of PEM"},
      {{.report = EncodeSnpReport(SnpReport()), .certificates = TestRootCertificates()},
       "emulated TEE is not allowed"}};
  for (const auto& [evidence, reason] : table) {
    const auto verified = snp.Verify({.primary = EncodeSnpEvidence(evidence)}, Now());
    ASSERT_FALSE(verified.ok()) << reason;
    EXPECT_EQ(verified.error().code(), ErrorCode::kPermissionDenied) << reason;
    EXPECT_THAT(verified.error().message(), HasSubstr(reason));
  }
}

TEST(SnpVerifierTest, ReturnsClaimsAndReportDataOfGoodEvidence) {
  const MadeChain chain{ChainContent{}};
  SnpReport report = MadeChain::Report();
  report.measurement.fill(std::byte{1});
  report.host_data.fill(std::byte{2});
  report.report_data.fill(std::byte{3});
  report.policy |= kSnpPolicyDebug;
  const SnpVerifier snp({AmdMilanRoot(), chain.root()});
  EXPECT_EQ(snp.tee(), "snp");
  const auto verified = snp.Verify({.primary = EncodeSnpEvidence(chain.Sign(report))}, Now());
  ASSERT_TRUE(verified.ok()) << verified.error().message();
  EXPECT_EQ(verified->claims.tee, TeeKind::kSnp);
  EXPECT_EQ(verified->claims.measurement, report.measurement);
  EXPECT_EQ(verified->claims.host_data, report.host_data);
  EXPECT_TRUE(verified->claims.debug);
  EXPECT_EQ(verified->report_data, report.report_data);
}

TEST(SnpVerifierTest, LooksAtTheTimeItIsGiven) {
  const MadeChain chain{ChainContent{}};
  const SnpVerifier snp({chain.root()});
  const Evidence evidence{.primary = EncodeSnpEvidence(chain.Sign(MadeChain::Report()))};
  const auto at = [&](std::chrono::seconds later) {
    const auto verified = snp.Verify(evidence, Now() + later);
    return verified.ok() ? "accepted" : verified.error().message();
  };
  EXPECT_EQ(at(std::chrono::minutes(59)), "accepted");
  EXPECT_EQ(at(std::chrono::minutes(61)), "the ARK has expired");
  EXPECT_EQ(at(-std::chrono::minutes(61)), "the ARK is not valid yet");
}

TEST(EmulatedVerifierTest, AnswersForItsRootOnlyAndPassesTheRestOn) {
  const MadeChain genuine{ChainContent{}};
  const EmulatedVerifier verifier(TestSnpRoot(), EmulatedGuests::kAllow,
                                  std::make_unique<SnpVerifier>(std::vector{genuine.root()}));
  EXPECT_EQ(verifier.tee(), "snp");
  EXPECT_EQ(verifier.Verify(Emulated(), Now())->claims.tee, TeeKind::kEmulated);
  const Evidence real{.primary = EncodeSnpEvidence(genuine.Sign(MadeChain::Report()))};
  EXPECT_EQ(verifier.Verify(real, Now())->claims.tee, TeeKind::kSnp);
  const MadeChain stranger{ChainContent{}};
  const Evidence strange{.primary = EncodeSnpEvidence(stranger.Sign(MadeChain::Report()))};
  EXPECT_THAT(verifier.Verify(strange, Now()).error().message(),
              HasSubstr("no root among them is trusted"));
}

// The emulated root in the bundle makes nobody genuine, and no genuine root makes it so.
TEST(EmulatedVerifierTest, BothRootsInOneBundleProveWhatTheChainProves) {
  const MadeChain genuine{ChainContent{}};
  const EmulatedVerifier verifier(TestSnpRoot(), EmulatedGuests::kAllow,
                                  std::make_unique<SnpVerifier>(std::vector{genuine.root()}));
  SnpEvidence evidence{.report = SignReport(TestReport()),
                       .certificates = TestRootCertificates() + genuine.ark()};
  EXPECT_EQ(verifier.Verify({.primary = EncodeSnpEvidence(evidence)}, Now())->claims.tee,
            TeeKind::kEmulated);
  evidence = genuine.Sign(MadeChain::Report());
  evidence.certificates += ReadText(TestRootDirectory() / "ark.pem");
  EXPECT_EQ(verifier.Verify({.primary = EncodeSnpEvidence(evidence)}, Now()).error().message(),
            "the ASK is not signed by its issuer");
}

TEST(EmulatedVerifierTest, RefusesGoodEvidenceUnlessItIsAllowed) {
  const EmulatedVerifier verifier(TestSnpRoot(), EmulatedGuests::kRefuse,
                                  std::make_unique<SnpVerifier>(std::vector{AmdMilanRoot()}));
  const auto refused = verifier.Verify(Emulated(), Now());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.error().message(), "emulated TEE is not allowed by this broker");
  SnpReport other_chip = TestReport();
  other_chip.chip_id[0] ^= std::byte{1};
  EXPECT_EQ(verifier.Verify(Emulated(other_chip), Now()).error().message(),
            "the report's chip id is not the VCEK's");
}

}  // namespace
}  // namespace locket::attest
