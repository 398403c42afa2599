// CRI's numbers, as bytes put together from k8s.io/cri-api's api.proto by hand.
#include <gmock/gmock.h>

#include "base/encoding.h"
#include "proto/cri.grpc.pb.h"
#include "proto/snapshots.grpc.pb.h"

namespace locket::proto {
namespace {

template <typename Message>
std::string Hex(const Message& message) {
  return HexEncode(AsBytes(message.SerializeAsString()));
}

TEST(GoldenCriTest, RunPodSandboxRequest) {
  runtime::v1::RunPodSandboxRequest request;
  auto& config = *request.mutable_config();
  config.mutable_metadata()->set_name("n");
  config.mutable_metadata()->set_uid("u");
  config.mutable_metadata()->set_namespace_("s");
  config.mutable_metadata()->set_attempt(1);
  config.set_hostname("h");
  config.set_log_directory("l");
  (*config.mutable_annotations())["a"] = "b";
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(
      runtime::v1::NODE);
  request.set_runtime_handler("locket");
  EXPECT_EQ(Hex(request),
            "0a23"
            "0a0b0a016e1201751a01732001"
            "120168"
            "1a016c"
            "3a060a0161120162"
            "4206"
            "12040a020802"
            "12066c6f636b6574");
}

TEST(GoldenCriTest, ContainerConfig) {
  runtime::v1::ContainerConfig config;
  config.mutable_metadata()->set_name("n");
  config.mutable_image()->set_image("i");
  config.add_command("c");
  config.add_args("a");
  config.set_log_path("p");
  config.set_tty(true);
  config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(5);
  EXPECT_EQ(Hex(config),
            "0a030a016e"
            "12030a0169"
            "1a0163"
            "220161"
            "5a0170"
            "7001"
            "7a06"
            "12042a020805");
}

TEST(GoldenCriTest, ContainerStatusIsRead) {
  runtime::v1::ContainerStatus status;
  // id, state EXITED, finished_at 2, exit_code 7, reason, and resources (16), which we leave out.
  ASSERT_TRUE(
      status.ParseFromString(std::string(AsText(*HexDecode("0a016318023002380752014582010208"
                                                           "01")))));
  EXPECT_EQ(status.id(), "c");
  EXPECT_EQ(status.state(), runtime::v1::CONTAINER_EXITED);
  EXPECT_EQ(status.finished_at(), 2);
  EXPECT_EQ(status.exit_code(), 7);
  EXPECT_EQ(status.reason(), "E");
}

TEST(GoldenCriTest, ServicesHaveTheirPublicNames) {
  EXPECT_STREQ(runtime::v1::RuntimeService::service_full_name(), "runtime.v1.RuntimeService");
  EXPECT_STREQ(runtime::v1::ImageService::service_full_name(), "runtime.v1.ImageService");
  EXPECT_STREQ(containerd::services::snapshots::v1::Snapshots::service_full_name(),
               "containerd.services.snapshots.v1.Snapshots");
}

}  // namespace
}  // namespace locket::proto
