#include "guest-agent/policy/guest_initdata.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/file.h"
#include "device/fake_block_devices.h"
#include "initdata/initdata.h"

namespace locket::guest_agent {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kToml =
    "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n\"locket.toml\" = '''\n[image]\n"
    "allowed_digests = []\n'''\n";

class InitdataDiskTest : public ::testing::Test {
 protected:
  void Plug(std::string_view content) {
    const auto path = directory_.path() / "disk";
    std::ofstream(path, std::ios::binary) << content;
    disks_.Plug("locket-initdata", {.path = path.string(), .size_bytes = content.size()});
  }
  Result<std::optional<GuestInitdata>> Read(const HostData& host_data = std::nullopt) {
    disks_.OnAwait([this](std::chrono::milliseconds at_most) { clock_.Advance(at_most); });
    return ReadInitdataDisk(disks_, clock_, std::chrono::milliseconds(500), host_data);
  }

  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "initdata").value());
  device::FakeBlockDevices disks_;
  FakeClock clock_;
};

TEST_F(InitdataDiskTest, IsReadAndDigested) {
  const auto disk = initdata::EncodeInitdataDevice(kToml);
  ASSERT_TRUE(disk.ok());
  Plug({reinterpret_cast<const char*>(disk->data()), disk->size()});
  const auto initdata = Read();
  ASSERT_TRUE(initdata.ok()) << initdata.error().message();
  ASSERT_TRUE(initdata->has_value());
  EXPECT_EQ((*initdata)->toml, kToml);
  EXPECT_EQ((*initdata)->digest, image::Digest::Of(kToml).ToText());
  EXPECT_FALSE((*initdata)->policy.allow_keyed);
}

TEST_F(InitdataDiskTest, NoDiskIsNoInitdata) {
  const auto initdata = Read();
  ASSERT_TRUE(initdata.ok());
  EXPECT_FALSE(initdata->has_value());
}

TEST_F(InitdataDiskTest, ADiskWithSomethingElseIsAnError) {
  Plug(std::string(1024, 'x'));
  const auto initdata = Read();
  ASSERT_FALSE(initdata.ok());
  EXPECT_THAT(initdata.error().message(), HasSubstr("initdata disk"));
}

std::string Named(const char* algorithm) {
  return "algorithm = \"" + std::string(algorithm) +
         std::string(kToml).substr(kToml.find("\"\nversion"));
}

TEST_F(InitdataDiskTest, OnlyTheLaunchThatNamesItMayUseIt) {
  for (const auto& [name, algorithm] :
       {std::pair{"sha256", initdata::InitdataAlgorithm::kSha256},
        std::pair{"sha384", initdata::InitdataAlgorithm::kSha384},
        std::pair{"sha512", initdata::InitdataAlgorithm::kSha512}}) {
    const std::string toml = Named(name);
    auto host_data = initdata::HostDataFor(algorithm, toml);
    const auto accepted = AcceptInitdata(toml, host_data);
    ASSERT_TRUE(accepted.ok()) << accepted.error().message();
    EXPECT_THAT(accepted->digest, ::testing::StartsWith(std::string(name) + ":"));
    host_data[31] ^= std::byte{1};
    const auto refused = AcceptInitdata(toml, host_data);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(refused.error().message(), HasSubstr("initdata does not belong to this launch"));
  }
}

TEST_F(InitdataDiskTest, NothingIsDecodedThatTheLaunchDoesNotName) {
  const std::string no_toml = "= [[[";
  const auto other = AcceptInitdata(no_toml, std::array<std::byte, 32>{});
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied) << other.error().message();
  const auto named =
      AcceptInitdata(no_toml, initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, no_toml));
  ASSERT_FALSE(named.ok());
  EXPECT_THAT(named.error().message(), HasSubstr("not TOML"));
}

TEST_F(InitdataDiskTest, TheAlgorithmIsTheOneThatTheDocumentNames) {
  const std::string toml = Named("sha256");
  const auto initdata =
      AcceptInitdata(toml, initdata::HostDataFor(initdata::InitdataAlgorithm::kSha512, toml));
  ASSERT_FALSE(initdata.ok());
  EXPECT_EQ(initdata.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(initdata.error().message(), HasSubstr("another algorithm than it names"));
}

TEST_F(InitdataDiskTest, ADiskThatTheHostWithholdsIsMissed) {
  EXPECT_TRUE(Read(std::array<std::byte, 32>{}).ok()) << "launched without";
  const auto withheld = Read(initdata::HostDataFor(initdata::InitdataAlgorithm::kSha256, kToml));
  ASSERT_FALSE(withheld.ok());
  EXPECT_EQ(withheld.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(withheld.error().message(), HasSubstr("there is none"));
}

}  // namespace
}  // namespace locket::guest_agent
