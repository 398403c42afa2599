// Revocation lists: none of the chain may be on one, and a list that proves nothing is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/emulator/emulated_verifier.h"
#include "attest/snp/snp_verifier.h"
#include "base/encoding.h"
#include "tests/attest/testing.h"

namespace locket::attest {
namespace {

using ::testing::HasSubstr;

class SnpCrlTest : public ::testing::Test {
 protected:
  // The emulated root, taken for a genuine one.
  static std::string Verify(const std::vector<SnpCrl>& crls) {
    const auto verified =
        VerifySnp({.report = SignReport(TestReport()), .certificates = TestRootCertificates()},
                  std::array{TestSnpRoot()}, std::chrono::system_clock::now(), crls);
    return verified.ok() ? "accepted" : verified.error().message();
  }
  static SnpCrl Made(const CrlContent& content) { return ReadSnpCrl(MakeCrl(content)).value(); }
};

TEST_F(SnpCrlTest, LetsAChainPassThatIsNotOnIt) {
  EXPECT_EQ(Verify({}), "accepted");
  EXPECT_EQ(Verify({Made({.revoked = {}})}), "accepted");
  EXPECT_EQ(Verify({Made({.issuer = "ask", .revoked = {}}), Made({.revoked = {}})}), "accepted");
}

TEST_F(SnpCrlTest, ARevokedAskIsRefused) {
  EXPECT_EQ(Verify({Made({.revoked = {"ask"}})}), "the ASK was revoked by the ARK");
  EXPECT_EQ(Verify({Made({.revoked = {"vcek", "ask"}})}), "the ASK was revoked by the ARK");
  EXPECT_EQ(Verify({Made({.revoked = {"ark"}})}), "the ARK was revoked by the ARK");
  // Serial numbers are each issuer's own: the ARK did not issue the VCEK.
  EXPECT_EQ(Verify({Made({.revoked = {"vcek"}})}), "accepted");
}

TEST_F(SnpCrlTest, AListThatProvesNothingIsRefused) {
  EXPECT_THAT(Verify({Made({.issuer = "ask", .revoked = {}})}),
              HasSubstr("none of the revocation lists given is this ARK's: add it to snp.crls"));
  EXPECT_THAT(Verify({Made({.revoked = {}, .ends_in_seconds = -60})}), HasSubstr("has expired"));
  EXPECT_THAT(Verify({Made({.revoked = {}, .starts_in_seconds = 600})}),
              HasSubstr("not valid yet"));
  EXPECT_THAT(Verify({Made({.revoked = {}, .pss = false})}), HasSubstr("not signed by the ARK"));
  const std::vector<std::byte> good = MakeCrl({.revoked = {}});
  std::vector<std::byte> changed = good;
  changed.back() ^= std::byte{1};
  EXPECT_THAT(Verify({ReadSnpCrl(changed).value()}), HasSubstr("not signed by the ARK"));
}

TEST_F(SnpCrlTest, EmulatedGuestsNeedNone) {
  const Evidence evidence{.primary = EncodeSnpEvidence({.report = SignReport(TestReport()),
                                                        .certificates = TestRootCertificates()})};
  const auto verify = [&](const std::vector<SnpRoot>& genuine) {
    auto snp =
        std::make_unique<SnpVerifier>(genuine, std::vector{Made({.issuer = "ask", .revoked = {}})});
    const EmulatedVerifier verifier(TestSnpRoot(), EmulatedGuests::kAllow, std::move(snp));
    return verifier.Verify(evidence, std::chrono::system_clock::now());
  };
  EXPECT_TRUE(verify({AmdMilanRoot()}).ok());
  // A root that is listed as AMD's by mistake stays an emulated one.
  EXPECT_EQ(verify({TestSnpRoot()})->claims.tee, TeeKind::kEmulated);
}

TEST_F(SnpCrlTest, IsReadAsPemAndDerAndNothingElse) {
  const std::vector<std::byte> der = MakeCrl({.revoked = {"ask"}});
  std::string pem = "-----BEGIN X509 CRL-----\n";
  const std::string base64 = Base64Encode(der);
  for (size_t at = 0; at < base64.size(); at += 64) pem += base64.substr(at, 64) + "\n";
  pem += "-----END X509 CRL-----\n";
  EXPECT_EQ(ReadSnpCrl(AsBytes(pem))->der, der);
  EXPECT_EQ(ReadSnpCrl(der)->der, der);
  for (size_t size = 0; size < der.size(); size += 7) {
    EXPECT_FALSE(ReadSnpCrl(std::span(der).first(size)).ok()) << size;
  }
  std::vector<std::byte> longer = der;
  longer.push_back(std::byte{0});
  for (const auto& bad : {longer, std::vector<std::byte>(kMaxCrlBytes + 1)}) {
    EXPECT_THAT(ReadSnpCrl(bad).error().message(), HasSubstr("not a certificate revocation list"));
  }
}

}  // namespace
}  // namespace locket::attest
