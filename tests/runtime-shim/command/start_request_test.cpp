#include "runtime-shim/command/start_request.h"

#include <gmock/gmock.h>
#include <google/protobuf/any.pb.h>

#include "base/encoding.h"
#include "proto/bootstrap.pb.h"

namespace locket::runtime_shim {
namespace {

namespace v1 = ::containerd::runtime::bootstrap::v1;
using ::testing::HasSubstr;

// As containerd's Go code writes them, byte by byte: to 2.2 an Any, from 2.3 on BootstrapParams
// with the Any inside.
const std::string kAny(
    "\x0a\x19"
    "runtimeoptions.v1.Options"
    "\x12\x0a\x12\x08/etc/x.t",
    39);
const std::string kParams(
    "\x0a\x03pod\x12\x06k8s.io"
    "\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01"  // DEBUG, -4
    "\x22\x05"
    "2.4.0"
    "\x2a\x0d/run/c.ttrpc "
    "\x32\x07/run/c1"
    "\x3a\x06/bin/c"
    "\x42\x29\x0a\x27"
    "\x0a\x19"
    "runtimeoptions.v1.Options"
    "\x12\x0a\x12\x08/etc/x.t"
    "\x4a\x06/run/s",
    114);

CommandLine Flags() {
  return {.action = Action::kStart,
          .namespace_name = "k8s.io",
          .id = "pod",
          .containerd_address = "/run/old",
          .publish_binary = "/bin/old",
          .bundle = "/b"};
}
v1::BootstrapParams Params() {
  v1::BootstrapParams params;
  EXPECT_TRUE(params.ParseFromString(kParams));
  return params;
}
std::string WhyNot(const CommandLine& line, const std::string& input) {
  const auto request = DecodeStartRequest(line, input);
  return request.ok() ? "it was taken" : request.error().message();
}

TEST(StartRequestTest, AnAnyIsTheOptionsAndFlagsAreTheRest) {
  const auto request = DecodeStartRequest(Flags(), kAny);
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(*request, (StartRequest{.line = Flags(), .options = kAny}));
  EXPECT_EQ(EncodeStartAnswer(*request, "unix:///s"), "unix:///s");
}

TEST(StartRequestTest, NothingAtAllMeansNoOptions) {
  EXPECT_EQ(DecodeStartRequest(Flags(), "").value(), (StartRequest{.line = Flags()}));
}

TEST(StartRequestTest, AMessageGoesBeforeFlags) {
  const auto request = DecodeStartRequest(Flags(), kParams);
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(*request, (StartRequest{.line = {.action = Action::kStart,
                                             .namespace_name = "k8s.io",
                                             .id = "pod",
                                             .containerd_address = "/run/c1",
                                             .containerd_ttrpc_address = "/run/c.ttrpc ",
                                             .publish_binary = "/bin/c",
                                             .bundle = "/b",
                                             .socket_dir = "/run/s",
                                             .debug = true},
                                    .options = kAny,
                                    .by_message = true}));
}

TEST(StartRequestTest, AMessageIsEnough) {
  const auto request = DecodeStartRequest({.action = Action::kStart}, kParams);
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(request->line.id, "pod");
  EXPECT_EQ(request->line.namespace_name, "k8s.io");
  EXPECT_EQ(request->options, kAny);
}

TEST(StartRequestTest, WhatAMessageIsSilentAboutTheFlagsSay) {
  v1::BootstrapParams params;
  params.set_instance_id("pod");
  params.set_namespace_("k8s.io");
  const auto request = DecodeStartRequest(Flags(), params.SerializeAsString());
  ASSERT_TRUE(request.ok()) << request.error().message();
  EXPECT_EQ(*request, (StartRequest{.line = Flags(), .by_message = true}));
}

TEST(StartRequestTest, TheAnswerToAMessageIsAMessage) {
  const auto request = DecodeStartRequest(Flags(), kParams).value();
  EXPECT_EQ(EncodeStartAnswer(request, "unix:///s"),
            std::string("\x08\x02\x12\x09unix:///s\x1a\x05ttrpc", 20));
}

TEST(StartRequestTest, LogLevelsBetweenTheNamedOnesAreTheNearest) {
  for (const auto& [level, debug] : {std::pair{-100, true},
                                     {-8, true},
                                     {-4, true},
                                     {-3, true},
                                     {-2, false},
                                     {0, false},
                                     {8, false},
                                     {99, false}}) {
    auto params = Params();
    params.set_log_level(level);
    EXPECT_EQ(DecodeStartRequest(Flags(), params.SerializeAsString())->line.debug, debug) << level;
  }
}

TEST(StartRequestTest, ExtensionsOfOtherKindsAreForOthers) {
  auto params = Params();
  params.add_extensions()->mutable_value()->set_type_url("containerd.io/nri.v1.PluginConfig");
  params.add_extensions();
  EXPECT_EQ(DecodeStartRequest(Flags(), params.SerializeAsString())->options, kAny);
}

TEST(StartRequestTest, RefusalsSayWhy) {
  auto params = Params();
  params.set_instance_id("other");
  EXPECT_THAT(WhyNot(Flags(), params.SerializeAsString()),
              HasSubstr("is about 'other' in namespace 'k8s.io', and the flags about 'pod'"));
  params = Params();
  params.add_extensions()->mutable_value()->set_type_url("containerd.runc.v1.Options");
  EXPECT_THAT(WhyNot(Flags(), params.SerializeAsString()), HasSubstr("containerd.runc.v1.Options"));
  params = Params();
  *params.add_extensions() = params.extensions(0);
  EXPECT_THAT(WhyNot(Flags(), params.SerializeAsString()), HasSubstr("two runtime options"));
  params = Params();
  params.set_socket_dir("run");
  EXPECT_THAT(WhyNot(Flags(), params.SerializeAsString()), HasSubstr("socket_dir"));
  google::protobuf::Any runc;
  runc.set_type_url("containerd.runc.v1.Options");
  EXPECT_THAT(WhyNot(Flags(), runc.SerializeAsString()), HasSubstr("only ConfigPath"));
  EXPECT_THAT(WhyNot(Flags(), "\xff\xff"), HasSubstr("neither BootstrapParams nor"));
  EXPECT_THAT(WhyNot(Flags(), std::string(kMaxStartInput + 1, '\0')), HasSubstr("1 MiB"));
}

TEST(StartRequestTest, WhatIsForNobodyIsRefused) {
  const CommandLine none{.action = Action::kStart};
  for (const std::string& input : {std::string(), kAny}) {
    EXPECT_THAT(WhyNot(none, input), HasSubstr("is not an identifier"));
  }
  auto params = Params();
  params.set_instance_id("../pod");
  EXPECT_THAT(WhyNot(none, params.SerializeAsString()), HasSubstr("is not an identifier"));
  auto half = Flags();
  half.id.clear();
  EXPECT_THAT(WhyNot(half, kParams), HasSubstr("is not an identifier"));
}

// No prefix and no changed byte of either form is anything but a request for this container, or an
// error.
TEST(StartRequestTest, DamageNeverNamesAnotherContainer) {
  for (const std::string& whole : {kAny, kParams}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ 0x21);
      for (const std::string& input : {whole.substr(0, i), changed}) {
        const auto request = DecodeStartRequest(Flags(), input);
        EXPECT_TRUE(!request.ok() || request->line.id == "pod") << i;
      }
    }
  }
}

}  // namespace
}  // namespace locket::runtime_shim
