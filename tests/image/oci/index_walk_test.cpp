#include "image/oci/index_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/image/oci/memory_source.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Platform kAmd64{.architecture = "amd64", .os = "linux"};
const Platform kArm64{.architecture = "arm64", .os = "linux"};

class IndexWalkTest : public ::testing::Test {
 protected:
  using Entries = std::vector<json>;

  static Index Decoded(const Entries& entries) {
    auto index = DecodeIndex(json{{"schemaVersion", 2}, {"manifests", entries}}.dump());
    EXPECT_TRUE(index.ok()) << index.error().message();
    return index.ok() ? *index : Index{.media_type = "", .manifests = {}};
  }
  Result<std::string> Choose(const Entries& entries, const Platform& platform = kAmd64) {
    LOCKET_TRY_ASSIGN(const auto chosen, ChooseImage(source_, Decoded(entries), platform));
    return chosen.descriptor.digest.ToText();
  }
  ManifestContent Content(const json& entry) {
    return *source_.GetNested(Decoded({entry}).manifests.at(0));
  }
  // The digests that a walk visits.
  Result<std::vector<std::string>> Walk(const json& top) {
    std::vector<std::string> visited;
    LOCKET_TRY(WalkDocuments(source_, Content(top),
                             [&](const Descriptor& entry, const ManifestContent& document) {
                               EXPECT_EQ(entry.digest, document.descriptor.digest);
                               visited.push_back(entry.digest.ToText());
                               return Ok();
                             }));
    return visited;
  }
  // Things that stand in indexes and are no image for any platform that is asked for here.
  std::vector<json> OddEntries() {
    json unknown = source_.Image("s390x");
    unknown["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
    unknown["annotations"] = {{"vnd.docker.reference.type", "attestation-manifest"}};
    json windows = source_.Image("ppc64le");
    windows["platform"] = {
        {"os", "windows"}, {"architecture", "amd64"}, {"os.version", "10.0.17763.1"}};
    json no_platform = source_.Artifact("no platform");
    no_platform["platform"] = json::object();
    json features = source_.Image("mips");
    features["platform"] = {{"os", "linux"}, {"architecture", "amd64"}, {"os.features", {"erofs"}}};
    json missing = {
        {"mediaType", kOciManifest}, {"digest", Digest::Of("nowhere").ToText()}, {"size", 7}};
    json negative = unknown;
    negative["size"] = -1;
    return {unknown,
            windows,
            no_platform,
            features,
            missing,
            negative,
            source_.Artifact("sbom"),
            source_.IndexOf(Entries{}),
            source_.IndexOf({source_.Image("loong64")}),
            json{{"mediaType", kOciManifest},
                 {"digest", "sha512:" + std::string(128, 'a')},
                 {"size", 3},
                 {"platform", {{"os", "linux"}, {"architecture", "amd64"}}}},
            json{{"mediaType", "application/vnd.example.unknown+json"},
                 {"digest", Digest::Of("x").ToText()},
                 {"size", 1}},
            json{{"digest", Digest::Of("y").ToText()}, {"size", 1}},
            json(nullptr),
            json("text"),
            json{{"mediaType", kOciManifest}, {"digest", nullptr}, {"size", 1}}};
  }

  MemorySource source_;
};

TEST_F(IndexWalkTest, TheBaselineWinsOverANewerVariantWhateverComesFirst) {
  const json v3 = source_.Image("amd64", true, "v3");
  const json v2 = source_.Image("amd64", true, "v2");
  const json plain = source_.Image("amd64");
  EXPECT_EQ(*Choose({v3, plain}), plain["digest"]);
  EXPECT_EQ(*Choose({v3, v2, plain}, {.architecture = "amd64", .os = "linux", .variant = "v2"}),
            v2["digest"]);
  EXPECT_THAT(Choose({v3}).error().message(),
              HasSubstr("no image for linux/amd64; there are: linux/amd64/v3"));
  EXPECT_EQ(*Choose({v3, source_.Image("386")}), source_.Image("386")["digest"]);
}

TEST_F(IndexWalkTest, AnImageWithoutAPlatformIsKnownByItsConfig) {
  const json amd64 = source_.Image("amd64", /*stated=*/false);
  const json arm64 = source_.Image("arm64", /*stated=*/false);
  EXPECT_EQ(*Choose({arm64, amd64}), amd64["digest"]);
  EXPECT_EQ(*Choose({arm64, amd64}, kArm64), arm64["digest"]);
  const auto none = Choose({arm64});
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(none.error().message(), HasSubstr("there are: linux/arm64"));
  // What states its platform is not looked into.
  EXPECT_EQ(*Choose({amd64, source_.Image("386")}), source_.Image("386")["digest"]);
}

TEST_F(IndexWalkTest, AnIndexInsideAnIndexIsLookedInto) {
  const json amd64 = source_.Image("amd64");
  const json inner = source_.IndexOf({source_.Image("arm64"), amd64});
  EXPECT_EQ(*Choose({inner}), amd64["digest"]);
  EXPECT_EQ(*Choose({source_.IndexOf({inner})}), amd64["digest"]);
  EXPECT_EQ(*Choose({source_.Image("arm64"), inner}), amd64["digest"]);
  json stated = inner;
  stated["platform"] = {{"os", "linux"}, {"architecture", "arm64"}};
  EXPECT_THAT(Choose({stated}).error().message(), HasSubstr("no image for linux/amd64"))
      << "it says itself that it is for something else";
  EXPECT_EQ(*Choose({inner, source_.IndexOf({source_.Image("s390x")})},
                    {.architecture = "s390x", .os = "linux"}),
            source_.Image("s390x")["digest"])
      << "the second of two";
}

TEST_F(IndexWalkTest, DepthAndCountAreBounded) {
  json nested = source_.IndexOf({source_.Image("amd64")});
  for (int i = 0; i < 2; ++i) nested = source_.IndexOf({nested});
  EXPECT_TRUE(Choose({nested}).ok());
  EXPECT_TRUE(Walk(source_.IndexOf({nested})).ok());
  nested = source_.IndexOf({nested});
  EXPECT_THAT(Choose({nested}).error().message(), HasSubstr("nested too deeply"));
  EXPECT_THAT(Walk(source_.IndexOf({nested})).error().message(), HasSubstr("nested too deeply"));
  Entries many;
  for (int i = 0; i < 40; ++i) {
    Entries inner;
    for (int k = 0; k < 40; ++k) inner.push_back(source_.Artifact(std::to_string(40 * i + k)));
    many.push_back(source_.IndexOf(inner));
  }
  const size_t before = source_.fetched();
  EXPECT_EQ(Choose(many).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(Walk(source_.IndexOf(many)).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_LE(source_.fetched() - before, 2 * kMaxWalkDocuments + 2);
}

TEST_F(IndexWalkTest, WhatWasPassedOverIsToldIfNothingIsLeft) {
  EXPECT_THAT(
      Choose({json{{"mediaType", kOciManifest},
                   {"digest", "sha512:" + std::string(128, 'a')},
                   {"size", 3}}})
          .error()
          .message(),
      AllOf(HasSubstr("there are: none"), HasSubstr("a sha512 digest, and only 'sha256:'")));
  EXPECT_THAT(Choose({source_.Artifact("a")}).error().message(), HasSubstr("no image for"));
  EXPECT_THAT(Choose(Entries{}).error().message(), HasSubstr("there are: none"));
}

// The property: what is odd in an index, and the order of what is not, changes nothing.
TEST_F(IndexWalkTest, OddEntriesAndOrderDoNotChangeTheChoice) {
  const std::vector<json> odd = OddEntries();
  std::mt19937 random(20'261'130);  // NOLINT(cert-msc51-cpp): the same each time
  for (int round = 0; round < 300; ++round) {
    const bool stated = round % 2 == 0;
    std::vector<json> entries = {source_.Image("amd64", stated), source_.Image("arm64", stated),
                                 source_.Image("amd64", stated, "v3")};
    const json amd64 = entries[0];
    const json arm64 = entries[1];
    for (size_t more = random() % odd.size(); more > 0; --more) {
      entries.push_back(odd[random() % odd.size()]);
    }
    std::ranges::shuffle(entries, random);
    const auto chosen = Choose(entries);
    ASSERT_TRUE(chosen.ok()) << chosen.error().message() << "\n" << json(entries).dump(1);
    EXPECT_EQ(*chosen, amd64["digest"]) << json(entries).dump(1);
    EXPECT_EQ(*Choose(entries, kArm64), arm64["digest"]) << json(entries).dump(1);
  }
}

TEST_F(IndexWalkTest, AWalkVisitsEachDocumentOnceAndPassesOverWhatIsNone) {
  const json a = source_.Image("amd64");
  const json b = source_.Image("arm64");
  const json inner = source_.IndexOf({b, a});
  const json unknown = {{"mediaType", "application/vnd.example.unknown+json"},
                        {"digest", Digest::Of("nowhere").ToText()},
                        {"size", 1}};
  const json sha512 = {
      {"mediaType", kOciManifest}, {"digest", "sha512:" + std::string(128, 'a')}, {"size", 3}};
  const json top = source_.IndexOf({a, unknown, inner, sha512, a, inner});
  const auto visited = Walk(top);
  ASSERT_TRUE(visited.ok()) << visited.error().message();
  EXPECT_THAT(*visited, ElementsAre(top["digest"], a["digest"], inner["digest"], b["digest"]));
  const auto alone = Walk(a);
  ASSERT_TRUE(alone.ok());
  EXPECT_THAT(*alone, ElementsAre(a["digest"]));
}

TEST_F(IndexWalkTest, AWalkEndsWithTheErrorOfWhoWalks) {
  const json top = source_.IndexOf({source_.Image("amd64")});
  for (int at = 0; at < 2; ++at) {
    int calls = 0;
    const auto walked =
        WalkDocuments(source_, Content(top), [&](const Descriptor&, const ManifestContent&) {
          return calls++ == at ? Status(Error(ErrorCode::kCancelled, "enough")) : Ok();
        });
    EXPECT_EQ(walked.error().code(), ErrorCode::kCancelled) << at;
  }
  const json gone = {
      {"mediaType", kOciManifest}, {"digest", Digest::Of("nowhere").ToText()}, {"size", 7}};
  EXPECT_THAT(Walk(source_.IndexOf({gone})).error().message(),
              HasSubstr("manifest " + Digest::Of("nowhere").ToText()));
}

}  // namespace
}  // namespace locket::image
