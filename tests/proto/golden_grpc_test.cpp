// CRI's numbers, as bytes put together from k8s.io/cri-api's api.proto by hand.
#include <gmock/gmock.h>

#include "base/encoding.h"
#include "proto/cri.grpc.pb.h"
#include "proto/device_plugin.grpc.pb.h"
#include "proto/snapshots.grpc.pb.h"

namespace locket::proto {
namespace {

using namespace std::string_literals;

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

// By hand from k8s.io/kubelet's api.proto of the device plugins.
TEST(GoldenDevicePluginTest, MessagesOfThePlugin) {
  v1beta1::RegisterRequest request;
  request.set_version("v1beta1");
  request.set_endpoint("e");
  request.set_resource_name("r");
  request.mutable_options()->set_pre_start_required(true);
  request.mutable_options()->set_get_preferred_allocation_available(true);
  EXPECT_EQ(Hex(request),
            "0a0776316265746131120165"
            "1a0172"
            "220408011001");
  v1beta1::ListAndWatchResponse list;
  auto& device = *list.add_devices();
  device.set_id("i");
  device.set_health("h");
  device.mutable_topology()->add_nodes()->set_id(1);
  EXPECT_EQ(Hex(list), "0a0c0a01691201681a040a020801");
  v1beta1::AllocateResponse response;
  response.add_container_responses();
  response.add_container_responses();
  EXPECT_EQ(Hex(response), "0a000a00");
  v1beta1::PreferredAllocationResponse preferred;
  preferred.add_container_responses()->add_deviceids("i");
  EXPECT_EQ(Hex(preferred), "0a030a0169");
}

TEST(GoldenDevicePluginTest, MessagesOfTheKubeletAreRead) {
  v1beta1::AllocateRequest request;
  ASSERT_TRUE(request.ParseFromString("\x0a\x03\x0a\x01i\x0a\x00"s));
  ASSERT_EQ(request.container_requests_size(), 2);
  EXPECT_EQ(request.container_requests(0).devices_ids(0), "i");
  v1beta1::PreferredAllocationRequest preferred;
  ASSERT_TRUE(
      preferred.ParseFromString("\x0a\x08\x0a\x01"
                                "a\x12\x01"
                                "b\x18\x02"));
  EXPECT_EQ(preferred.container_requests(0).available_deviceids(0), "a");
  EXPECT_EQ(preferred.container_requests(0).must_include_deviceids(0), "b");
  EXPECT_EQ(preferred.container_requests(0).allocation_size(), 2);
  EXPECT_EQ(v1beta1::Registration::service_full_name(), std::string("v1beta1.Registration"));
  EXPECT_EQ(v1beta1::DevicePlugin::service_full_name(), std::string("v1beta1.DevicePlugin"));
}

}  // namespace
}  // namespace locket::proto
