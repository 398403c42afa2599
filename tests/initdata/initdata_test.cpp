#include "initdata/initdata.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "image/oci/gzip.h"

namespace locket::initdata {
namespace {

using ::testing::HasSubstr;

const std::string kDigest = image::Digest::Of("x").ToText();
constexpr std::string_view kCa =
    "-----BEGIN CERTIFICATE-----\nAA\\\"==\n-----END CERTIFICATE-----\n";

GuestPolicy SomePolicy() {
  return {
      .broker = BrokerPolicy{.url = "https://b.example:8443", .ca = std::string(kCa)},
      .allowed_digests = {image::Digest::Of("x"), image::Digest::Of("y")},
      .allow_keyed = true,
      .every_image = {.allow_commands = {{"/bin/sh", "-c", "echo \"hi\"\n\t\x01"}, {"/bin/true"}},
                      .allow_exec = {{"/bin/check", "--health"}, {"/bin/sh"}},
                      .allow_volumes = {"/data", "/dev/shm"}},
      .images = {{image::Digest::Of("y"),
                  {.allow_commands = {{"/bin/y"}},
                   .allow_exec = {{"/bin/check-y", "]"}},
                   .allow_volumes = {"/y"}}},
                 {image::Digest::Of("z"), {}}},
      .allow_env = {"HOSTNAME", "KUBERNETES_*"},
      .allow_stdin = true,
      .allow_network = true,
      .hide_output = true,
      .allow_all_syscalls = true};
}

TEST(InitdataTest, RoundTripsWithThePolicyInside) {
  const Initdata initdata{.algorithm = InitdataAlgorithm::kSha384,
                          .data = {{"locket.toml", EncodeGuestPolicy(SomePolicy())},
                                   {"policy.rego", "package \"a\"\n\"\"\"x\"\"\"\r\n"},
                                   {"odd\nkey", "\\"}}};
  const auto decoded = DecodeInitdata(EncodeInitdata(initdata));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(*decoded, initdata);
  const auto policy = PolicyOf(*decoded);
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(*policy, SomePolicy());
}

TEST(InitdataTest, ReadsTheDocumentedExample) {
  const std::string text =
      "algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\n\"locket.toml\" = '''\n"
      "[image]\nallowed_digests = [\"" +
      kDigest + "\"]\n'''\n\"aa.toml\" = \"x\"\n";
  const auto initdata = DecodeInitdata(text);
  ASSERT_TRUE(initdata.ok()) << initdata.error().message();
  EXPECT_EQ(PolicyOf(*initdata)->allowed_digests.at(0).ToText(), kDigest);
  EXPECT_FALSE(PolicyOf(*initdata)->broker.has_value());
}

TEST(InitdataTest, RefusesWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"version = \"0.1.0\"", "'algorithm' is missing"},
      {"algorithm = \"sha256\"", "'version' is missing"},
      {"algorithm = \"md5\"\nversion = \"0.1.0\"", "none of sha256"},
      {"algorithm = \"sha256\"\nversion = \"0.2.0\"", "only '0.1.0'"},
      {"algorithm = \"sha256\"\nversion = \"0.1.0\"\nmore = 1", "'more' is unknown"},
      {"algorithm = \"sha256\"\nversion = \"0.1.0\"\n[data]\na = 1", "'data.a' is not text"},
      {"algorithm = \"sha256\"\nalgorithm = \"sha256\"", "not TOML"},
      {"x = " + std::string(5000, '['), "nested too deeply"},
      {"x = " + std::string(5000, '{'), "nested too deeply"},
      {"a" + std::string(5000, '.') + "b = 1", "nested too deeply"},
      {std::string(kMaxInitdataBytes + 1, '\n'), "larger than"},
      {"'\xCD' = 1", "not UTF-8 from byte 1"},
      {"= =", "not TOML: line 1: "}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(DecodeInitdata(text).error().message(), HasSubstr(why)) << text.substr(0, 80);
  }
  EXPECT_EQ(PolicyOf(Initdata{}).error().code(), ErrorCode::kNotFound);
}

TEST(InitdataTest, BracketsInStringsAndCommentsAreNotNesting) {
  const std::string text = "algorithm = \"sha256\" # " + std::string(100, '[') +
                           "\nversion = '0.1.0'\n[data]\na = \"" + std::string(100, '{') +
                           "\\\"[\"\nb = '''\n" + std::string(100, '[') + "\n'''\n";
  const auto initdata = DecodeInitdata(text);
  EXPECT_TRUE(initdata.ok()) << initdata.error().message();
}

TEST(GuestPolicyTest, RefusesWithTheReason) {
  const std::string image = "[image]\nallowed_digests = []\n";
  const std::string keyed = "[image]\nallow_keyed = true\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "'image' is missing"},
      {"[image]\nallow_keyd = true", "'image.allow_keyd' is unknown"},
      {"[image]\nallow_keyed = 1", "not true or false"},
      {"[image]\nallowed_digests = [\"sha256:1\"]", "allowed_digests"},
      {"[image]\nallowed_digests = [1]", "not text"},
      {image + "[broker]\nurl = \"https://b\"", "'broker.ca' is missing"},
      {image + "[broker]\nurl = \"http://b\"\nca = \"-----BEGIN CERTIFICATE-----\"", "https://"},
      {image + "[broker]\nurl = \"https://b\"\nca = \"x\"", "no PEM certificate"},
      {image + "[agent]\nallow_commands = [\"x\"]", "not a list of arguments"},
      {image + "[agent]\nallow_commands = [[]]", "not a list of arguments"},
      {image + "[agent]\nallow_exec = [[\"x\"], []]", "'agent.allow_exec': an entry is not a list"},
      {image + "[agent]\nallow_exec = [[1]]", "'agent.allow_exec': an entry is not text"},
      {image + "[agent]\nallow_exec = true", "'agent.allow_exec' is not a list"},
      {image + "[agent]\nallow_execs = []", "'agent.allow_execs' is unknown"},
      {image + "[agent]\nallow_env = [\"A*B\"]", "neither a name nor a prefix"},
      {image + "[agent]\nallow_env = [\"\"]", "neither a name nor a prefix"},
      {image + "[agent]\nallow_env = [\"*\"]", "neither a name nor a prefix"},
      {image + "[agent]\nallow_all_syscalls = 1",
       "'agent.allow_all_syscalls' is not true or false"},
      {image + "[agent]\nimages = []", "'agent.images' is not a table"},
      {image + "[agent.images.\"sha256:1\"]", "'agent.images.sha256:1': "},
      {image + "[agent.images.\"" + kDigest + "\"]", "is not among 'image.allowed_digests'"},
      {keyed + "[agent.images.\"" + kDigest + "\"]\nallow_env = []",
       kDigest + ".allow_env' is unknown"},
      {keyed + "[agent.images.\"" + kDigest + "\"]\nallow_exec = [[]]",
       kDigest + ".allow_exec': an entry is not a list"},
      {keyed + "[agent.images.\"" + kDigest + "\"]\nallow_volumes = [\"/proc\"]",
       "'/proc' is the guest's own"},
      {keyed + "[agent.images]\n\"" + kDigest + "\" = 1", kDigest + "' is not a table"},
      {image + "[agent]\nallow_stdin = \"yes\"", "'agent.allow_stdin' is not true or false"},
      {image + "[agent]\nallow_network = 1", "'agent.allow_network' is not true or false"},
      {image + "[agent]\nhide_output = 1", "'agent.hide_output' is not true or false"},
      {image + "[agent]\nallow_volumes = \"/data\"", "'agent.allow_volumes' is not a list"},
      {image + "[agent]\nallow_volumes = [\"data\"]", "'data' is not an absolute path in normal"},
      {image + "[agent]\nallow_volumes = [\"/a/../b\"]", "is not an absolute path in normal form"},
      {image + "[agent]\nallow_volumes = [\"/a/\"]", "is not an absolute path in normal form"},
      {image + "[agent]\nallow_volumes = [\"/a//b\"]", "is not an absolute path in normal form"},
      {image + "[agent]\nallow_volumes = [\"/\"]", "is not an absolute path in normal form"},
      {image + "[agent]\nallow_volumes = [\"/proc\"]", "'/proc' is the guest's own"},
      {image + "[agent]\nallow_volumes = [\"/dev/mqueue\"]", "'/dev/mqueue' is the guest's own"},
      {image + "[agents]\n", "'agents' is unknown"}};
  for (const auto& [text, why] : cases) {
    const auto policy = DecodeGuestPolicy(text);
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_THAT(policy.error().message(), HasSubstr(why)) << text;
  }
}

TEST(GuestPolicyTest, OutputIsSeenUnlessThePolicySaysOtherwise) {
  EXPECT_FALSE(DecodeGuestPolicy("[image]\n")->hide_output);
  EXPECT_TRUE(DecodeGuestPolicy("[image]\n[agent]\nhide_output = true\n")->hide_output);
  EXPECT_EQ(*DecodeGuestPolicy(EncodeGuestPolicy({.hide_output = true})),
            GuestPolicy{.hide_output = true});
}

TEST(GuestPolicyTest, NothingIsRunInAContainerUnlessThePolicySaysSo) {
  EXPECT_TRUE(DecodeGuestPolicy("[image]\n[agent]\nallow_commands = [[\"/a\"]]\n")
                  ->every_image.allow_exec.empty());
  const GuestPolicy policy{.every_image = {.allow_exec = {{"/bin/sh"}}}};
  EXPECT_EQ(*DecodeGuestPolicy(EncodeGuestPolicy(policy)), policy);
}

TEST(GuestPolicyTest, RulesForOneImageAreKeptApartFromThoseForAll) {
  const auto policy =
      DecodeGuestPolicy("[image]\nallowed_digests = [\"" + kDigest +
                        "\"]\n[agent]\nallow_exec = [[\"/all\"]]\n[agent.images.\"" + kDigest +
                        "\"]\nallow_exec = [[\"/one\"]]\n");
  ASSERT_TRUE(policy.ok()) << policy.error().message();
  EXPECT_EQ(policy->every_image, (ImageRules{.allow_exec = {{"/all"}}}));
  EXPECT_EQ(policy->images.at(image::Digest::Of("x")), (ImageRules{.allow_exec = {{"/one"}}}));
}

TEST(GuestPolicyTest, VariablesThatLoadCodeAreKnown) {
  for (const char* name :
       {"LD_PRELOAD", "LD_AUDIT", "PYTHONPATH", "BASH_ENV", "PATH", "NODE_OPTIONS", "PERL5OPT",
        "RUBYOPT", "JAVA_TOOL_OPTIONS", "GLIBC_TUNABLES", "BASH_FUNC_ls%%"}) {
    EXPECT_TRUE(IsLoaderVariable(name)) << name;
  }
  for (const char* name : {"HOSTNAME", "KUBERNETES_PORT", "NODE_ENV", "JAVA_HOME", "LDAP", ""}) {
    EXPECT_FALSE(IsLoaderVariable(name)) << name;
  }
}

TEST(GuestPolicyTest, StandardInputIsClosedUnlessThePolicySaysOtherwise) {
  const std::string image = "[image]\nallowed_digests = []\n";
  EXPECT_FALSE(DecodeGuestPolicy(image)->allow_stdin);
  EXPECT_FALSE(DecodeGuestPolicy(image + "[agent]\nallow_env = [\"A\"]\n")->allow_stdin);
  EXPECT_TRUE(DecodeGuestPolicy(image + "[agent]\nallow_stdin = true\n")->allow_stdin);
  // A policy of its own is written out although the lists beside it are empty.
  EXPECT_TRUE(DecodeGuestPolicy(EncodeGuestPolicy({.allow_stdin = true}))->allow_stdin);
}

TEST(GuestPolicyTest, ThereIsNoNetworkUnlessThePolicySaysOtherwise) {
  EXPECT_FALSE(DecodeGuestPolicy("[image]\n")->allow_network);
  EXPECT_TRUE(DecodeGuestPolicy("[image]\n[agent]\nallow_network = true\n")->allow_network);
  EXPECT_EQ(*DecodeGuestPolicy(EncodeGuestPolicy({.allow_network = true})),
            GuestPolicy{.allow_network = true});
}

TEST(InitdataDigestTest, IsTheHashOfTheRawText) {
  EXPECT_EQ(HexEncode(InitdataDigest(InitdataAlgorithm::kSha256, "abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(InitdataDigest(InitdataAlgorithm::kSha384, "abc").size(), 48U);
  EXPECT_EQ(InitdataDigest(InitdataAlgorithm::kSha512, "abc").size(), 64U);
  const auto long_digest = InitdataDigest(InitdataAlgorithm::kSha384, "abc");
  EXPECT_EQ(HexEncode(HostDataFor(InitdataAlgorithm::kSha384, "abc")),
            HexEncode(std::span(long_digest).first(32)));
}

TEST(InitdataTransportTest, AnnotationRoundTripsAndIsDeterministic) {
  const std::string toml(10000, 'x');
  const auto annotation = EncodeInitdataAnnotation(toml);
  ASSERT_TRUE(annotation.ok());
  EXPECT_LT(annotation->size(), 200U);
  EXPECT_EQ(*annotation, *EncodeInitdataAnnotation(toml));
  EXPECT_EQ(*DecodeInitdataAnnotation(*annotation), toml);
}

TEST(InitdataTransportTest, AnnotationIsBounded) {
  const auto bomb = image::Gzip(std::string(kMaxInitdataBytes + 1, 'x'));
  EXPECT_EQ(DecodeInitdataAnnotation(Base64Encode(*bomb)).error().code(),
            ErrorCode::kResourceExhausted);
  EXPECT_THAT(DecodeInitdataAnnotation(std::string(2U << 20, 'A')).error().message(),
              HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(EncodeInitdataAnnotation(std::string(kMaxInitdataBytes + 1, 'x')).error().message(),
              HasSubstr("larger than 4 MiB"));
  auto packed = *image::Gzip("abc");
  packed.push_back(std::byte{0});
  EXPECT_THAT(DecodeInitdataAnnotation(Base64Encode(packed)).error().message(),
              HasSubstr("after the end"));
  packed.erase(packed.end() - 4, packed.end());
  EXPECT_EQ(DecodeInitdataAnnotation(Base64Encode(packed)).error().code(), ErrorCode::kDataLoss);
}

TEST(InitdataTransportTest, DeviceHasTheFormatsBytes) {
  const auto device = EncodeInitdataDevice("abc");
  ASSERT_TRUE(device.ok());
  EXPECT_EQ(device->size() % 512, 0U);
  EXPECT_EQ(AsText(std::span(*device).first(8)), "initdata");
  EXPECT_EQ(std::to_integer<size_t>(device->at(8)), image::Gzip("abc")->size());
  EXPECT_EQ(device->at(16), std::byte{0x1f}) << "gzip follows";
  EXPECT_EQ(*DecodeInitdataDevice(*device), "abc");
}

TEST(InitdataTransportTest, DeviceIsReadFromAFileLongerThanThePayload) {
  const auto directory = TempDir::Create("/tmp", "initdata-test.");
  ASSERT_TRUE(directory.ok());
  const auto device = *EncodeInitdataDevice("abc");
  const UniqueFd fd = *OpenFile(directory->path() / "device", O_RDWR | O_CREAT);
  ASSERT_TRUE(WriteFull(fd.get(), device).ok());
  ASSERT_EQ(::ftruncate(fd.get(), 1 << 20), 0);
  EXPECT_EQ(*ReadInitdataDevice(fd.get()), "abc");
  ASSERT_EQ(::ftruncate(fd.get(), 20), 0);
  EXPECT_EQ(ReadInitdataDevice(fd.get()).error().code(), ErrorCode::kDataLoss);
}

TEST(InitdataTransportTest, DeviceRefusesWithTheReason) {
  auto device = *EncodeInitdataDevice("abc");
  EXPECT_THAT(DecodeInitdataDevice(std::span(device).first(15)).error().message(),
              HasSubstr("cut short"));
  EXPECT_THAT(DecodeInitdataDevice(std::span(device).first(20)).error().message(),
              HasSubstr("cut short"));
  device[15] = std::byte{0x80};
  EXPECT_THAT(DecodeInitdataDevice(device).error().message(), HasSubstr("out of range"));
  device[0] = std::byte{'I'};
  EXPECT_THAT(DecodeInitdataDevice(device).error().message(), HasSubstr("does not begin"));
}

}  // namespace
}  // namespace locket::initdata
