// Debian's containerd says of which image a container is. Needs root.
#include "image/sealed/rootfs_description.h"
#include "proto/containers.grpc.pb.h"
#include "snapshotter/containerd/containerd_client.h"
#include "tests/snapshotter/containerd/containerd_conformance.h"
#include "tests/snapshotter/service/containerd_fixture.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
namespace containers = ::containerd::services::containers::v1;
using ::testing::HasSubstr;

class ContainerdContainerTest : public ContainerdTest {
 protected:
  void PushAndPull(const TestImage& image) {
    Push(image);
    const grpc::Status pulled = Pull(image.reference);
    ASSERT_TRUE(pulled.ok()) << pulled.error_message() << containerd_log() << log_();
  }

  // As CRI makes one: a snapshot, and a record.
  void CreateContainer(const std::string& id, const TestImage& image) {
    const CommandOutput prepared =
        Ctr({"snapshots", "--snapshotter", "locket", "prepare", id, image.chain_ids.back()});
    ASSERT_EQ(prepared.exit_status, 0) << prepared.standard_error;
    containers::CreateContainerRequest request;
    auto& container = *request.mutable_container();
    container.set_id(id);
    container.set_image(image.reference);
    container.set_snapshotter("locket");
    container.set_snapshot_key(id);
    container.mutable_runtime()->set_name("io.containerd.locket.v2");
    container.mutable_spec()->set_type_url("spec");
    container.mutable_spec()->set_value("{}");
    auto& metadata = (*container.mutable_extensions())["io.cri-containerd.container.metadata"];
    metadata.set_type_url("github.com/containerd/cri/pkg/store/container/Metadata");
    metadata.set_value(CriMetadata(image.config_digest(), image.config_digest()));
    const auto stub = containers::Containers::NewStub(ConnectToContainerd(socket()));
    grpc::ClientContext context;
    context.AddMetadata("containerd-namespace", "k8s.io");
    containers::CreateContainerResponse response;
    const grpc::Status created = stub->Create(&context, request, &response);
    ASSERT_TRUE(created.ok()) << created.error_message();
  }

  // What its task's creation would tell the shim.
  Result<image::RootfsDescription> Told(const std::string& id) {
    const CommandOutput mounts =
        Ctr({"snapshots", "--snapshotter", "locket", "mounts", "/mnt", id});
    if (mounts.exit_status != 0) return Error(ErrorCode::kInternal, mounts.standard_error);
    const size_t at = mounts.standard_output.find("dev.locket.rootfs=");
    const size_t from = mounts.standard_output.find('/', at);
    const size_t until = mounts.standard_output.find_first_of(" ,\n\"", from);
    LOCKET_TRY_ASSIGN(const std::string json,
                      ReadFile(mounts.standard_output.substr(from, until - from), 1 << 20));
    return image::DecodeRootfsDescription(json);
  }
  void ExpectTold(const std::string& id, const TestImage& image) {
    const auto told = Told(id);
    ASSERT_TRUE(told.ok()) << told.error().message() << containerd_log() << log_();
    EXPECT_EQ(told->manifest_digest.ToText(), image.manifest_digest());
    EXPECT_EQ(*ReadFile(told->config_path, 1 << 20), image.config);
    EXPECT_EQ(told->layers.size(), image.layers.size());
  }
};

TEST_F(ContainerdContainerTest, ContainerdKeepsThePromisesOfItsSeam) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "AB");
  PushAndPull(image);
  CreateContainer("web", image);
  CheckContainerd(*MakeContainerdClient(socket()), image);
}

TEST_F(ContainerdContainerTest, ImagesOfEqualLayersAndBasesRunByTheirOwnConfig) {
  const TestImage derived = MakeImage(host_ + "/team/derived:1", "ABA");
  const TestImage equal = MakeImage(host_ + "/team/equal:1", "ABA", "1000:1000");
  const TestImage base = MakeImage(host_ + "/team/base:1", "AB", "7:7");
  for (const TestImage& image : {derived, equal, base}) PushAndPull(image);
  EXPECT_EQ(List({"kind==committed"}).size(), 3U) << "containerd asked for no layer twice";
  CreateContainer("of-derived", derived);
  CreateContainer("of-equal", equal);
  CreateContainer("of-base", base);
  ExpectTold("of-derived", derived);
  ExpectTold("of-equal", equal);
  ExpectTold("of-base", base);
}

TEST_F(ContainerdContainerTest, ATagThatMovedToAnotherConfigRunsByTheNewOne) {
  const TestImage before = MakeImage(host_ + "/team/app:1", "AB");
  const TestImage after = MakeImage(host_ + "/team/app:1", "AB", "1000:1000");
  PushAndPull(before);
  CreateContainer("before", before);
  CreateContainer("late", before);
  ExpectTold("before", before);
  PushAndPull(after);
  CreateContainer("after", after);
  ExpectTold("after", after);
  ExpectTold("before", before);
  const auto late = Told("late");
  // CRI keeps the old image under its ID for as long as it likes.
  if (late.ok()) {
    EXPECT_EQ(late->manifest_digest.ToText(), before.manifest_digest());
  } else {
    EXPECT_THAT(late.error().message(), HasSubstr("is not the image it was created of any more"));
  }
}

TEST_F(ContainerdContainerTest, AMountOnTheHostFailsInWordsThatHelp) {
  const TestImage image = MakeImage(host_ + "/team/app:1", "A");
  PushAndPull(image);
  const fs::path target = temp_.path() / "mnt";
  fs::create_directory(target);
  // As `ctr images mount` does from 1.7 on: in 1.6 it knows the default snapshotter alone.
  const CommandOutput mounted =
      Ctr({"snapshots", "--snapshotter", "locket", "view", target, image.chain_ids[0]});
  EXPECT_NE(mounted.exit_status, 0);
  EXPECT_THAT(mounted.standard_error,
              HasSubstr("the image is sealed: only a guest opens its layers"));
  EXPECT_THAT(mounted.standard_error, HasSubstr("`locket image extract`"));
}

}  // namespace
}  // namespace locket::snapshotter
