// The hashes of the KBS protocol, after FIPS 180-4's examples.
#include "attest/common/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/encoding.h"

namespace locket::attest {
namespace {

TEST(HashTest, AgreesWithTheStandardsExamples) {
  const auto hex = [](HashAlgorithm algorithm, std::string_view text) {
    return HexEncode(Hash(algorithm, AsBytes(text)));
  };
  using enum HashAlgorithm;
  EXPECT_EQ(hex(kSha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(kSha384, "abc"),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(hex(kSha512, "abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(hex(kSha256, ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(HashNameTest, IsReadInAnyLetterCaseAndIsOneOfThree) {
  using enum HashAlgorithm;
  for (const HashAlgorithm algorithm : {kSha256, kSha384, kSha512}) {
    EXPECT_EQ(ParseHashName(HashName(algorithm)).value(), algorithm);
  }
  EXPECT_EQ(ParseHashName("SHA384").value(), kSha384);
  EXPECT_EQ(ParseHashName("Sha512").value(), kSha512);
  for (const char* name : {"", "sha1", "sha224", "sha-256", "sha256 ", "sha3-256", "md5"}) {
    const auto refused = ParseHashName(name);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().message(),
              std::string("hash algorithm '") + name + "' is not sha256, sha384 or sha512");
  }
  EXPECT_LT(ParseHashName(std::string(10'000, 'x')).error().message().size(), 100U);
}

TEST(FillRandomTest, FillsAllOfItAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    std::array<std::byte, 32> bytes{};
    FillRandom(bytes);
    EXPECT_TRUE(seen.insert(HexEncode(bytes)).second);
  }
  // 64 zeros of 4096 bytes by chance: 16 are expected.
  std::vector<std::byte> many(4096);
  FillRandom(many);
  EXPECT_LT(std::count(many.begin(), many.end(), std::byte{0}), 64);
}

}  // namespace
}  // namespace locket::attest
