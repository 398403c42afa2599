#include "snapshotter/containerd/container_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/oci/media_type.h"
#include "tests/snapshotter/snapshots/snapshots_fixture.h"

namespace locket::snapshotter {
namespace {

using ::testing::HasSubstr;

class ContainerImageTest : public ::testing::Test {
 protected:
  Result<std::optional<ContainerImage>> Find(const std::string& snapshot = "k8s.io/3/web") {
    return FindContainerImage(containerd_, snapshot, image_.chain_ids.back());
  }
  void Record(const std::string& image, const std::string& cri_metadata = "") {
    containerd_.AddContainer("k8s.io", "web",
                             {.image = image, .snapshot_key = "web", .cri_metadata = cri_metadata});
  }
  void ExpectFound(const TestImage& image, const std::string& name) {
    const auto found = Find();
    ASSERT_TRUE(found.ok()) << found.error().message();
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->manifest, image.manifest);
    EXPECT_EQ((*found)->manifest_digest.ToText(), image.manifest_digest());
    EXPECT_EQ((*found)->config, image.config);
    EXPECT_EQ((*found)->name, name);
  }
  static image::Descriptor Entry(const std::string& document,
                                 std::string_view type = image::kOciManifest) {
    return image::DescriptorOf(type, document);
  }
  // An index in containerd under `name`.
  std::string AddIndex(const std::string& name, const std::vector<image::Descriptor>& entries) {
    std::string text =
        image::EncodeIndex({.media_type = std::string(image::kOciIndex), .manifests = entries});
    containerd_.AddContent("k8s.io", text);
    containerd_.AddName("k8s.io", name, image::Digest::Of(text));
    return text;
  }

  const TestImage image_ = MakeImage("127.0.0.1:5000/app:1", "AB");
  FakeContainerd containerd_;
};

TEST_F(ContainerImageTest, WithoutARecordThereIsNone) {
  containerd_.AddImage("k8s.io", image_);
  EXPECT_EQ(*Find(), std::nullopt);
  Record(image_.reference);
  ExpectFound(image_, image_.reference);
  for (const char* name : {"web", "default/3/web", "k8s.io/x/web", "k8s.io//web", "k8s.io/3/we",
                           "k8s.io/99999999999999999999999/web", "k8s.io/-3/web"}) {
    const auto found = Find(name);
    EXPECT_TRUE(found.ok() && !found->has_value()) << name;
  }
}

TEST_F(ContainerImageTest, TheReferenceTellsWhereToFetchUnlessTheNameIsADigest) {
  containerd_.AddImage("k8s.io", image_);
  Record(image_.reference);
  EXPECT_EQ((**Find()).reference, image_.reference);
  Record(image_.config_digest());
  EXPECT_EQ((**Find()).reference, "");
  ExpectFound(image_, image_.config_digest());
}

TEST_F(ContainerImageTest, AShortNameIsFoundUnderTheFullOne) {
  TestImage hub = image_;
  hub.reference = "docker.io/library/app:latest";
  containerd_.AddImage("k8s.io", hub);
  const std::string id = image_.config_digest();
  Record("sha256:none", CriMetadata(id, id, "app"));
  ExpectFound(hub, "docker.io/library/app:latest");
  // CRI stores a digest without its tag.
  const std::string digest = image_.manifest_digest();
  containerd_.AddName("k8s.io", "r.example/app@" + digest, image::Digest::Of(image_.manifest));
  Record("sha256:none", CriMetadata(id, id, "r.example/app:3@" + digest));
  ExpectFound(image_, "r.example/app@" + digest);
}

TEST_F(ContainerImageTest, ANameThatMovedGivesWayToTheImagesId) {
  const TestImage moved = MakeImage(image_.reference, "AB", "1000:1000");
  containerd_.AddImage("k8s.io", image_);
  containerd_.AddImage("k8s.io", moved);
  const std::string id = image_.config_digest();
  Record(image_.reference, CriMetadata(id, id, image_.reference));
  ExpectFound(image_, id);
}

TEST_F(ContainerImageTest, MetadataThatIsNotUnderstoodSaysNothing) {
  containerd_.AddImage("k8s.io", image_);
  for (const char* metadata : {"", "{", "[]", "7", R"({"Version":"v2"})", R"({"Metadata":[]})",
                               R"({"Metadata":{"ImageRef":7,"Config":{"image":"x"}}})"}) {
    Record(image_.reference, metadata);
    ExpectFound(image_, image_.reference);
  }
}

TEST_F(ContainerImageTest, OfAnIndexTheManifestOfTheseLayersCounts) {
  containerd_.AddImage("k8s.io", image_);
  const TestImage arm = MakeImage("x", "C");
  containerd_.AddImage("k8s.io", arm);
  const TestImage absent = MakeImage("x", "D");  // of a platform that was not pulled
  AddIndex("multi", {Entry(absent.manifest), Entry(arm.manifest), Entry(image_.manifest),
                     Entry(image_.manifest)});
  Record("multi");
  ExpectFound(image_, "multi");
  const std::string inner = AddIndex("inner", {Entry(image_.manifest)});
  AddIndex("outer", {Entry(absent.manifest), Entry(inner, image::kOciIndex)});
  Record("outer");
  ExpectFound(image_, "outer");
}

TEST_F(ContainerImageTest, WhatIsNoImageInAnIndexIsPassedOver) {
  containerd_.AddImage("k8s.io", image_);
  std::vector<image::Descriptor> entries;
  for (const std::string& odd :
       {std::string("no JSON"), std::string("{}"), std::string(R"({"schemaVersion":2})"),
        std::string(image::kMaxManifestBytes + 1, ' '), image_.config}) {
    containerd_.AddContent("k8s.io", odd);
    entries.push_back(Entry(odd));
  }
  entries.push_back(Entry(image_.manifest));
  AddIndex("odd", entries);
  Record("odd");
  ExpectFound(image_, "odd");
}

TEST_F(ContainerImageTest, SeveralThatFitAreNotChosenFrom) {
  const TestImage other = MakeImage("x", "AB", "1000:1000");
  containerd_.AddImage("k8s.io", image_);
  containerd_.AddImage("k8s.io", other);
  AddIndex("both", {Entry(image_.manifest), Entry(other.manifest)});
  Record("both");
  ExpectError(Find(), ErrorCode::kFailedPrecondition,
              "image 'both' has several manifests of these layers, such as " +
                  image_.manifest_digest() + " and " + other.manifest_digest());
  Record("both", CriMetadata(other.config_digest(), "both"));
  ExpectFound(other, "both");
}

TEST_F(ContainerImageTest, AnIndexWithoutEndIsGivenUp) {
  std::vector<image::Descriptor> entries;
  for (int i = 0; i < 600; ++i) entries.push_back(Entry(std::to_string(i)));
  AddIndex("large", entries);
  Record("large");
  ExpectError(Find(), ErrorCode::kFailedPrecondition, "its index has more than 512 documents");
  EXPECT_LT(containerd_.num_calls(), 600);
}

TEST_F(ContainerImageTest, AnImageOfOtherLayersIsNotTheContainers) {
  const TestImage other = MakeImage("127.0.0.1:5000/other:1", "ABC");
  containerd_.AddImage("k8s.io", other);
  Record(other.reference);
  ExpectError(Find(), ErrorCode::kFailedPrecondition,
              "'127.0.0.1:5000/other:1' is not the image it was created of any more");
}

}  // namespace
}  // namespace locket::snapshotter
