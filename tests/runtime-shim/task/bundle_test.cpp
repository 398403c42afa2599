#include "runtime-shim/task/bundle.h"

#include <gmock/gmock.h>

namespace locket::runtime_shim {
namespace {

using ::testing::HasSubstr;

TEST(BundleTest, ReadsASandbox) {
  const auto spec = ParseBundleSpec(R"({"hostname":"pod-a","annotations":{
    "io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"self",
    "io.katacontainers.config.hypervisor.cc_init_data":"H4sI"}})");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(*spec,
            (BundleSpec{
                .kind = ContainerKind::kSandbox, .hostname = "pod-a", .initdata_base64 = "H4sI"}));
}

TEST(BundleTest, ReadsTheSandboxesNetwork) {
  const auto spec = ParseBundleSpec(R"({
    "annotations":{"io.kubernetes.cri.container-type":"sandbox"},
    "mounts":[{"destination":"/dev/shm","source":"/s"},
              {"destination":"/etc/resolv.conf","type":"bind","source":"/run/pod/resolv.conf"}],
    "linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/run/netns/cni-1"}]}})");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->netns, "/run/netns/cni-1");
  EXPECT_EQ(spec->resolv_conf, "/run/pod/resolv.conf");
}

TEST(BundleTest, ReadsTheSandboxesCgroup) {
  const auto spec =
      ParseBundleSpec(R"({"annotations":{"io.kubernetes.cri.container-type":"sandbox"},
    "linux":{"cgroupsPath":"/kubepods/pod1/id"}})");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->cgroups_path, "/kubepods/pod1/id");
}

TEST(BundleTest, APodMayHaveNoNetwork) {
  for (const char* rest : {"", R"(,"linux":{},"mounts":null)",
                           R"(,"linux":{"namespaces":[{"type":"pid"},{"type":"network"}]})"}) {
    const auto spec =
        ParseBundleSpec(R"({"annotations":{"io.kubernetes.cri.container-type":"sandbox"})" +
                        std::string(rest) + "}");
    ASSERT_TRUE(spec.ok()) << spec.error().message();
    EXPECT_EQ(spec->netns, "");
    EXPECT_EQ(spec->resolv_conf, "");
  }
}

TEST(BundleTest, RefusesANetworkThatIsNone) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"("mounts":{})", "'mounts' is not a list"},
      {R"("mounts":[1])", "'mounts' has an entry that is no object"},
      {R"("mounts":[{"destination":1}])", "'destination' is not a text"},
      {R"("linux":[])", "'linux' is not an object"},
      {R"("linux":{"cgroupsPath":1})", "'cgroupsPath' is not a text"},
      {R"("linux":{"namespaces":1})", "'namespaces' is not a list"},
      {R"("linux":{"namespaces":[{"type":"network","path":1}]})", "'path' is not a text"},
  };
  for (const auto& [text, reason] : cases) {
    const auto spec = ParseBundleSpec(
        R"({"annotations":{"io.kubernetes.cri.container-type":"sandbox"},)" + text + "}");
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_THAT(spec.error().message(), HasSubstr(reason));
  }
}

TEST(BundleTest, ReadsAContainer) {
  const auto spec = ParseBundleSpec(R"({"annotations":{
    "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"abc",
    "io.kubernetes.cri.image-name":"r/app:1"}})");
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(*spec,
            (BundleSpec{
                .kind = ContainerKind::kContainer, .sandbox_id = "abc", .image_name = "r/app:1"}));
}

TEST(BundleTest, WithoutAnnotationsItIsNoPod) {
  EXPECT_EQ(ParseBundleSpec("{}")->kind, ContainerKind::kSingle);
}

TEST(BundleTest, RefusesWhatItCannotPlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{", "not a JSON object"},
      {R"({"hostname":1})", "'hostname' is not a text"},
      {R"({"annotations":[]})", "'annotations' is not an object"},
      {R"({"annotations":null})", "'annotations' is not an object"},
      {R"({"annotations":{"io.kubernetes.cri.container-type":"vm"}})", "unknown container type"},
      {R"({"annotations":{"io.kubernetes.cri.container-type":"container"}})", "no identifier"},
      {R"({"annotations":{"io.kubernetes.cri.container-type":"container",
          "io.kubernetes.cri.sandbox-id":"../x"}})",
       "no identifier"},
  };
  for (const auto& [text, reason] : cases) {
    const auto spec = ParseBundleSpec(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_THAT(spec.error().message(), HasSubstr(reason));
  }
}

TEST(BundleTest, ADeepDocumentIsReadLikeAnyOther) {
  const std::string deep =
      R"({"annotations":{"x":)" + std::string(1000000, '[') + std::string(1000000, ']') + "}}";
  const auto spec = ParseBundleSpec(deep);
  ASSERT_TRUE(spec.ok()) << spec.error().message();
  EXPECT_EQ(spec->kind, ContainerKind::kSingle);
}

}  // namespace
}  // namespace locket::runtime_shim
