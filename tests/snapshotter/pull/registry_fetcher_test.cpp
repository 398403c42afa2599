#include "snapshotter/pull/registry_fetcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "base/file.h"
#include "image/oci/media_type.h"
#include "tests/snapshotter/pull/loopback_registry.h"

namespace locket::snapshotter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A fetcher of its own for a registry with two blobs and a manifest.
class RegistryFetcherTest : public ::testing::Test {
 protected:
  RegistryFetcherTest() {
    registry_.Add(one_);
    registry_.Add(two_);
    registry_.Add(manifest_);
  }

  void Make(RegistryFetcherOptions options) {
    options.hosts_directory = directory_.path();
    fetcher_ = *MakeRegistryFetcher(options);
  }
  Status Fetch(const std::string& content, const std::stop_token& stop = {}) {
    const UniqueFd fd = *OpenFile(directory_.path(), O_RDWR | O_TMPFILE);
    return fetcher_->FetchBlob(reference(), image::DescriptorOf("x", content), fd.get(), stop);
  }
  Status FetchManifest() {
    LOCKET_TRY(fetcher_->FetchManifest(reference(), image::Digest::Of(manifest_), {}));
    return Ok();
  }
  std::string reference() const { return registry_.host() + "/team/app:1"; }

  LoopbackRegistry registry_;
  TempDir directory_ = *TempDir::Create("/tmp", "registry-fetcher-test.");
  const std::string one_ = std::string(100'000, '1');
  const std::string two_ = std::string(100'000, '2');
  const std::string manifest_ =
      image::EncodeManifest({.media_type = std::string(image::kOciManifest),
                             .config = image::DescriptorOf("c", one_),
                             .layers = {}});
  std::unique_ptr<Fetcher> fetcher_;
};

// Settings that are read again must not replace good ones by a file that was saved by half.
TEST_F(RegistryFetcherTest, ACredentialsFileIsRefusedAsAWholeButNotForOneEntry) {
  const auto file = directory_.path() / "auth.json";
  ASSERT_TRUE(ReplaceFileDurably(file, "{").ok());
  EXPECT_THAT(
      MakeRegistryFetcher({.hosts_directory = {}, .credential_files = {file}}).error().message(),
      AllOf(HasSubstr("auth.json"), HasSubstr("not JSON")));
  ASSERT_TRUE(ReplaceFileDurably(file, R"({"auths":{"other.example":{"auth":"!!"}}})").ok());
  Make({.hosts_directory = {}, .credential_files = {file}});
  EXPECT_TRUE(Fetch(one_).ok());
}

TEST_F(RegistryFetcherTest, BlobsWaitForTheirTurnAndManifestsDoNot) {
  Make({.hosts_directory = {}, .credential_files = {}, .max_downloads = 1});
  registry_.StallAfter(image::Digest::Of(one_).ToText(), 10);
  auto first = std::async(std::launch::async, [&] { return Fetch(one_); });
  registry_.WaitForStall();
  std::stop_source stop;
  auto second = std::async(std::launch::async, [&] { return Fetch(two_, stop.get_token()); });
  // By then the second download would have been asked for, if it could be.
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(FetchManifest().ok());
  EXPECT_THAT(registry_.OffsetsAsked(image::Digest::Of(two_).ToText()), IsEmpty());
  stop.request_stop();
  EXPECT_EQ(second.get().error().code(), ErrorCode::kCancelled);
  registry_.StopStalling();
  const auto fetched = first.get();
  EXPECT_TRUE(fetched.ok()) << fetched.error().message();
  EXPECT_TRUE(Fetch(two_).ok());
}

TEST_F(RegistryFetcherTest, APauseThatTheRegistryAsksForIsNoSilence) {
  Make({.hosts_directory = {}, .credential_files = {}, .timeout = std::chrono::milliseconds(500)});
  std::atomic<bool> first = true;
  registry_.Follow([&first](const std::string&) {
    if (!first.exchange(false)) return std::optional<LoopbackRegistry::Raw>();
    return std::optional(LoopbackRegistry::Raw{
        .bytes = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                 "Connection: close\r\n\r\n"});
  });
  const auto fetched = Fetch(one_);
  EXPECT_TRUE(fetched.ok()) << fetched.error().message();
}

}  // namespace
}  // namespace locket::snapshotter
