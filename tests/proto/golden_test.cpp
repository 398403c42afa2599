// Bytes written down once: should a number of ours change, old guests and new hosts would part.
#include <gmock/gmock.h>

#include "base/encoding.h"
#include "proto/agent.pb.h"
#include "proto/runtime_info.pb.h"
#include "proto/runtime_options.pb.h"
#include "proto/ttrpc.pb.h"

namespace locket::proto {
namespace {

template <typename Message>
std::string Hex(const Message& message) {
  return HexEncode(AsBytes(message.SerializeAsString()));
}

TEST(GoldenTest, PrepareRootfsRequest) {
  agent::v1::PrepareRootfsRequest request;
  request.set_container_id("c");
  request.set_image_ref("i");
  request.set_manifest("m");
  request.set_config("f");
  request.add_signatures("s");
  auto* const layer = request.add_layers();
  layer->set_digest("d");
  layer->set_serial("n");
  EXPECT_EQ(Hex(request),
            "0a0163"
            "120169"
            "1a016d"
            "220166"
            "2a0173"
            "3206"
            "0a0164"
            "12016e");
}

TEST(GoldenTest, CreateSandboxRequest) {
  agent::v1::CreateSandboxRequest request;
  request.set_sandbox_id("s");
  request.set_hostname("h");
  auto* const network = request.mutable_network();
  network->add_nameservers("n");
  network->add_searches("d");
  network->add_options("o");
  auto* const interface = network->add_interfaces();
  interface->set_mac("m");
  interface->set_name("e");
  interface->set_mtu(1);
  interface->add_addresses()->set_address("a");
  interface->mutable_addresses(0)->set_length(8);
  auto* const route = interface->add_routes();
  route->mutable_destination()->set_address("r");
  route->set_gateway("g");
  route->set_source("s");
  route->set_metric(2);
  route->set_onlink(true);
  auto* const neighbour = interface->add_neighbours();
  neighbour->set_address("b");
  neighbour->set_mac("c");
  EXPECT_EQ(Hex(request),
            "0a0173"
            "120168"
            "1a33"
            "0a28"
            "0a016d"
            "120165"
            "1801"
            "2205"
            "0a0161"
            "1008"
            "2a0f"
            "0a030a0172"
            "120167"
            "1a0173"
            "2002"
            "2801"
            "3206"
            "0a0162"
            "120163"
            "12016e"
            "1a0164"
            "22016f");
}

TEST(GoldenTest, CreateContainerRequest) {
  agent::v1::CreateContainerRequest request;
  request.set_container_id("c");
  request.set_oci_spec("{}");
  request.set_stdin(true);
  request.set_terminal(true);
  EXPECT_EQ(Hex(request),
            "0a0163"
            "12027b7d"
            "1801"
            "2001");
}

TEST(GoldenTest, OutputAndExit) {
  agent::v1::ReadOutputRequest request;
  request.set_container_id("c");
  request.set_stream(agent::v1::OUTPUT_STREAM_STDERR);
  request.set_max_bytes(4096);
  EXPECT_EQ(Hex(request),
            "0a0163"
            "1001"
            "188020");
  agent::v1::ReadOutputResponse response;
  response.set_data("x");
  response.set_eof(true);
  EXPECT_EQ(Hex(response),
            "0a0178"
            "1001");
  agent::v1::WaitContainerResponse exit;
  exit.set_exit_status(137);
  exit.mutable_exited_at()->set_seconds(1);
  EXPECT_EQ(Hex(exit),
            "088901"
            "1202"
            "0801");
}

TEST(GoldenTest, Info) {
  agent::v1::GetInfoResponse info;
  info.set_version("v");
  info.set_protocol(1);
  EXPECT_EQ(Hex(info),
            "0a0176"
            "1001");
}

TEST(GoldenTest, RuntimeOptions) {
  runtimeoptions::v1::Options options;
  options.set_type_url("t");
  options.set_config_path("p");
  options.set_config_body("b");
  EXPECT_EQ(Hex(options),
            "0a0174"
            "120170"
            "1a0162");
}

TEST(GoldenTest, TtrpcStatus) {
  ttrpc::Response response;
  response.mutable_status()->set_code(5);
  response.mutable_status()->set_message("m");
  response.set_payload("p");
  EXPECT_EQ(Hex(response),
            "0a05"
            "0805"
            "12016d"
            "120170");
}

// Debian's containerd has no such message yet; the numbers are those of containerd 2.0's
// api/types/introspection.proto.
TEST(GoldenTest, RuntimeInfo) {
  containerd::types::RuntimeInfo info;
  info.set_name("n");
  info.mutable_version()->set_version("v");
  info.mutable_options()->set_type_url("o");
  info.mutable_features()->set_type_url("f");
  (*info.mutable_annotations())["k"] = "a";
  EXPECT_EQ(Hex(info),
            "0a016e"
            "12030a0176"
            "1a030a016f"
            "22030a0166"
            "2a060a016b120161");
}

}  // namespace
}  // namespace locket::proto
