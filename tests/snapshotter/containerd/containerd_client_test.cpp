#include "snapshotter/containerd/containerd_client.h"

#include "base/file.h"
#include "tests/snapshotter/containerd/containerd_conformance.h"
#include "tests/snapshotter/containerd/containerd_server.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

class ContainerdClientTest : public ::testing::Test {
 protected:
  ContainerdClientTest() {
    fake_.AddImage("k8s.io", image_);
    fake_.AddContainer("k8s.io", "web",
                       {.image = image_.reference,
                        .snapshot_key = "web",
                        .cri_metadata = CriMetadata(image_.config_digest(), image_.reference)});
  }
  std::string socket() const { return temp_.path() / "c.sock"; }

  const TestImage image_ = MakeImage("127.0.0.1:5000/app:1", "AB");
  const TempDir temp_ = std::move(TempDir::Create("/tmp", "containerd-")).value();
  FakeContainerd fake_;
};

TEST_F(ContainerdClientTest, TheFakeKeepsThePromises) { CheckContainerd(fake_, image_); }

TEST_F(ContainerdClientTest, SoDoesTheClient) {
  const ContainerdServer server(fake_, socket());
  CheckContainerd(*MakeContainerdClient(socket()), image_);
}

TEST_F(ContainerdClientTest, NobodyAtTheSocketIsUnavailableWithTheWayOut) {
  const auto client = MakeContainerdClient(socket(), std::chrono::milliseconds(50));
  for (int call = 0; call < 3; ++call) {
    const Error error = call == 0 ? client->GetContainer("k8s.io", "web").error()
                        : call == 1
                            ? client->GetImageTarget("k8s.io", "app").error()
                            : client->ReadContent("k8s.io", image::Digest::Of(""), 1).error();
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("ask containerd at '" + socket() + "'"));
    EXPECT_THAT(error.message(), ::testing::HasSubstr("key 'cri.containerd'"));
  }
}

TEST_F(ContainerdClientTest, AnAnswerAfterARestartIsTaken) {
  const auto client = MakeContainerdClient(socket());
  {
    const ContainerdServer server(fake_, socket());
    CheckContainerd(*client, image_);
  }
  const ContainerdServer server(fake_, socket());
  CheckContainerd(*client, image_);
}

TEST_F(ContainerdClientTest, BytesThatAreNotTheDigestsAreDataLoss) {
  const ContainerdServer server(fake_, socket());
  const auto digest = image::Digest::Of(image_.manifest);
  fake_.AddDamaged("k8s.io", digest, image_.config);
  const auto read = MakeContainerdClient(socket())->ReadContent("k8s.io", digest, 1 << 20);
  ExpectError(read, ErrorCode::kDataLoss, "containerd's bytes are not the digest's");
}

}  // namespace
}  // namespace locket::snapshotter
