// Pulls from Debian's docker-registry, as containerd asks for them.
#include "tests/snapshotter/service/registry_fixture.h"

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

TEST_F(RemoteTest, ASealedImageIsPulledAndAnOrdinaryOneIsLeftToContainerd) {
  const TestImage sealed = MakeImage(host_ + "/team/app:1", "AB");
  const TestImage plain = MakeImage(host_ + "/pause:1", "x");
  Push(sealed);
  Push(plain);
  Configure("");
  Start();
  std::string parent;
  for (size_t i = 0; i < 2; ++i) {
    const grpc::Status pulled =
        Prepare(sealed.Pull(i, parent, "k8s.io/" + std::to_string(i) + "/extract-1 x"));
    ASSERT_EQ(pulled.error_code(), grpc::StatusCode::ALREADY_EXISTS) << pulled.error_message();
    parent = List({"labels.\"containerd.io/snapshot.ref\"==" + sealed.chain_ids[i]}).at(0).name();
    EXPECT_EQ(*ReadFile(root() / "blobs/sha256" / sealed.layer_digests[i].substr(7), 1 << 20),
              sealed.layers[i]);
  }
  pb::PrepareSnapshotResponse prepared;
  ASSERT_TRUE(Prepare({.key = "k8s.io/7/web", .parent = parent}, prepared).ok());
  EXPECT_THAT(prepared.mounts(0).options(2), HasSubstr("dev.locket.rootfs="));
  const grpc::Status ordinary = Prepare(plain.Pull(0, "", "k8s.io/8/extract-1 x"));
  EXPECT_TRUE(ordinary.ok()) << ordinary.error_message();
}

TEST_F(RemoteTest, AnImageTheRegistryLacksIsNotFound) {
  Push(MakeImage(host_ + "/team/app:1", "A"));
  const TestImage absent = MakeImage(host_ + "/team/app:2", "Q");
  Configure("");
  Start();
  const grpc::Status pulled = Prepare(absent.Pull(0, "", "k8s.io/1/extract-1 x"));
  EXPECT_EQ(pulled.error_code(), grpc::StatusCode::NOT_FOUND) << pulled.error_message();
  EXPECT_THAT(pulled.error_message(), HasSubstr(absent.manifest_digest()));
}

}  // namespace
}  // namespace locket::snapshotter
