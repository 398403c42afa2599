// What an operator sees of the running server: its metrics, and the service behind `locket cache`.
#include "proto/cache.grpc.pb.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/metrics/http_get.h"
#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/server_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
namespace cache = ::locket::snapshotter::v1;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class OperationsTest : public ServerTest {
 protected:
  void SetUp() override {
    image_ = MakeImage(registry_.host() + "/app:1", "AB");
    image_.AddTo(registry_);
    Configure("[metrics]\naddress = \"127.0.0.1:0\"\n");
    Start();
    cache_ = cache::Cache::NewStub(
        grpc::CreateChannel("unix:" + address(), grpc::InsecureChannelCredentials()));
  }

  void PullAll() {
    std::string parent;
    for (size_t i = 0; i < image_.layers.size(); ++i) {
      const grpc::Status pulled =
          Prepare(image_.Pull(i, parent, "k8s.io/" + std::to_string(i) + "/extract-1 x"));
      ASSERT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();
      parent = List({"labels.\"containerd.io/snapshot.ref\"==" + image_.chain_ids[i]}).at(0).name();
    }
  }

  std::string Scrape() const {
    const std::string text = log();
    const std::string key = "serving metrics address=\"127.0.0.1:";
    const size_t at = text.find(key);
    EXPECT_NE(at, std::string::npos) << text;
    const size_t port_at = at + key.size();
    const std::string port = text.substr(port_at, text.find('"', port_at) - port_at);
    return HttpGet("127.0.0.1:" + port, "/metrics");
  }

  fs::path Blob(const std::string& digest) const {
    return root() / "blobs/sha256" / digest.substr(7);
  }

  std::vector<cache::VerifyProgress> Verify(const std::vector<std::string>& digests,
                                            grpc::Status& status) {
    cache::VerifyRequest request;
    for (const std::string& digest : digests) request.add_digests(digest);
    grpc::ClientContext context;
    const auto reader = cache_->Verify(&context, request);
    std::vector<cache::VerifyProgress> finished;
    for (cache::VerifyProgress step; reader->Read(&step);) {
      if (step.state() != cache::VerifyProgress::READING) finished.push_back(step);
    }
    status = reader->Finish();
    return finished;
  }

  LoopbackRegistry registry_;
  TestImage image_{.reference = ""};
  std::unique_ptr<cache::Cache::Stub> cache_;
};

TEST_F(OperationsTest, AScrapeShowsThePullAndEachRequestByMethodAndCode) {
  PullAll();
  ASSERT_TRUE(Prepare({.key = "a"}).ok());
  const std::string text = Scrape();
  const size_t bytes = image_.layers[0].size() + image_.layers[1].size() + image_.config.size();
  EXPECT_THAT(text, HasSubstr("\nlocket_snapshotter_downloaded_bytes_total " +
                              std::to_string(bytes) + "\n"));
  EXPECT_THAT(text, HasSubstr("\nlocket_snapshotter_cache_misses_total 3\n"));
  EXPECT_THAT(text, HasSubstr("\nlocket_snapshotter_cache_blobs 4\n"));
  EXPECT_THAT(text, HasSubstr("\nlocket_snapshotter_snapshots 3\n"));
  const std::string method = "method=\"containerd.services.snapshots.v1.Snapshots/Prepare\"";
  EXPECT_THAT(text, HasSubstr("_count{code=\"ALREADY_EXISTS\"," + method + "} 2"));
  EXPECT_THAT(text, HasSubstr("_count{code=\"OK\"," + method + "} 1"));
  EXPECT_THAT(text, HasSubstr("Snapshots/List"));
}

TEST_F(OperationsTest, WithoutAnAddressNothingListens) {
  Stop(SIGTERM);
  ASSERT_TRUE(ReplaceFileDurably(temp_.path() / "log", "").ok());
  Configure("");
  Start();
  EXPECT_EQ(log().find("metrics"), std::string::npos) << log_();
}

TEST_F(OperationsTest, AnAddressThatIsTakenEndsTheStartWithTheReason) {
  const std::string taken = registry_.host();
  Configure("[metrics]\naddress = \"" + taken + "\"\n");
  const auto started = RunCommand({kBinary, "--config", temp_.path() / "config.toml", "--root",
                                   temp_.path() / "other", "--address", temp_.path() / "o.sock"});
  ASSERT_TRUE(started.ok());
  EXPECT_EQ(started->exit_status, 1);
  EXPECT_THAT(started->standard_error, HasSubstr("serve metrics at '" + taken + "'"));
}

TEST_F(OperationsTest, TheCacheIsListedPinnedAndCollectedWhileTheServerServes) {
  PullAll();
  grpc::ClientContext pin_context;
  cache::SetPinnedRequest pin;
  pin.set_digest(image_.layer_digests[0]);
  pin.set_pinned(true);
  cache::SetPinnedResponse pinned;
  ASSERT_TRUE(cache_->SetPinned(&pin_context, pin, &pinned).ok());
  EXPECT_TRUE(pinned.present());
  EXPECT_TRUE(fs::exists(root() / "pins" / image_.layer_digests[0].substr(7)));

  for (const pb::Info& info : List()) {
    if (info.parent().empty()) continue;
    EXPECT_TRUE(Remove(info.name()).ok());
  }
  for (const pb::Info& info : List()) EXPECT_TRUE(Remove(info.name()).ok());
  grpc::ClientContext collect_context;
  cache::CollectResponse collected;
  ASSERT_TRUE(cache_->Collect(&collect_context, cache::CollectRequest(), &collected).ok());
  EXPECT_EQ(collected.removed_blobs(), 3U) << "layer, manifest, config";
  grpc::ClientContext list_context;
  const auto reader = cache_->List(&list_context, cache::ListRequest());
  std::vector<cache::Blob> blobs;
  for (cache::Blob blob; reader->Read(&blob);) blobs.push_back(blob);
  ASSERT_TRUE(reader->Finish().ok());
  ASSERT_THAT(blobs, SizeIs(1));
  EXPECT_EQ(blobs[0].digest(), image_.layer_digests[0]);
  EXPECT_TRUE(blobs[0].pinned());
  EXPECT_EQ(blobs[0].num_snapshots(), 0U);
  EXPECT_EQ(blobs[0].size_bytes(), image_.layers[0].size());
  EXPECT_GT(blobs[0].last_used_ns(), 1'700'000'000'000'000'000);
}

TEST_F(OperationsTest, VerifyHealsADamagedBlobAndAnswersWrongDigests) {
  PullAll();
  fs::permissions(Blob(image_.layer_digests[1]), fs::perms::owner_all);
  ASSERT_TRUE(
      ReplaceFileDurably(Blob(image_.layer_digests[1]), std::string(image_.layers[1].size(), 'x'))
          .ok());
  grpc::Status status;
  const auto finished = Verify({}, status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(finished, SizeIs(4));
  for (const cache::VerifyProgress& step : finished) {
    EXPECT_EQ(step.state(), step.digest() == image_.layer_digests[1]
                                ? cache::VerifyProgress::FETCHED_AGAIN
                                : cache::VerifyProgress::GOOD)
        << step.digest() << step.problem();
    EXPECT_EQ(step.done_bytes(), step.size_bytes());
  }
  EXPECT_EQ(*ReadFile(Blob(image_.layer_digests[1]), 1 << 20), image_.layers[1]);
  EXPECT_THAT(log(), HasSubstr("a blob in the cache is damaged"));
  Verify({"sha256:" + std::string(64, '0')}, status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  Verify({"../x"}, status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OperationsTest, RepairAnswersWhatItHealed) {
  PullAll();
  fs::remove(Blob(image_.layer_digests[0]));
  grpc::ClientContext context;
  cache::RepairResponse response;
  ASSERT_TRUE(cache_->Repair(&context, cache::RepairRequest(), &response).ok());
  EXPECT_EQ(response.num_healed(), 1U);
  EXPECT_THAT(response.not_healed(), SizeIs(0));
  EXPECT_TRUE(fs::exists(Blob(image_.layer_digests[0])));
}

}  // namespace
}  // namespace locket::snapshotter
