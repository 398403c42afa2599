#include "image/local/docker_archive.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "image/oci/manifest.h"
#include "tests/erofs/tar_maker.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kLower = TarMaker().File("lower", "1").Finish();
const std::string kUpper = TarMaker().File("upper", "2").Finish();

std::string ConfigOf(const std::vector<std::string>& layers) {
  json diff_ids = json::array();
  for (const auto& layer : layers) diff_ids.push_back(Digest::Of(layer).ToText());
  return json{{"architecture", "amd64"},
              {"os", "linux"},
              {"config", {{"User", "7"}}},
              {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}}
      .dump();
}

std::string ListOf(const std::vector<json>& images) { return json(images).dump(); }

class DockerArchiveTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<ImageSource>> Open(const TarMaker& tar, const std::string& tag = "") {
    const auto path = directory_.path() / "archive.tar";
    std::ofstream(path, std::ios::binary) << tar.Finish();
    LOCKET_TRY_ASSIGN(UniqueFd fd, OpenFile(path, O_RDONLY));
    LOCKET_TRY_ASSIGN(auto files,
                      UnpackArchive(std::move(fd), {.temporary_directory = directory_.path()}));
    return OpenDockerArchive(std::move(files), tag);
  }
  // The user that the config names, and the layers' bytes.
  Result<std::vector<std::string>> Read(const TarMaker& tar, const std::string& tag = "") {
    LOCKET_TRY_ASSIGN(const auto source, Open(tar, tag));
    LOCKET_TRY_ASSIGN(const auto content, source->GetManifest());
    LOCKET_TRY_ASSIGN(const auto manifest, DecodeManifest(content.bytes));
    LOCKET_TRY_ASSIGN(const auto text, ReadBlob(*source, manifest.config, kMaxConfigBytes));
    LOCKET_TRY(source->OpenBlobFile(manifest.config));
    LOCKET_TRY_ASSIGN(const auto config, DecodeImageConfig(text));
    std::vector<std::string> read{config.user};
    for (const auto& layer : manifest.layers) {
      LOCKET_TRY_ASSIGN(auto bytes, ReadBlob(*source, layer, 1U << 20));
      read.push_back(std::move(bytes));
    }
    return read;
  }
  void ExpectWhole(const TarMaker& tar, const std::string& tag = "") {
    const auto read = Read(tar, tag);
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_THAT(*read, ElementsAre("7", kLower, kUpper));
  }
  // An archive of one image of two layers, without its list.
  static TarMaker Files() {
    TarMaker tar;
    tar.File("c.json", ConfigOf({kLower, kUpper}));
    tar.File("l/layer.tar", kLower).File("u/layer.tar", kUpper);
    return tar;
  }
  static json Image(const json& tags) {
    return {{"Config", "c.json"}, {"RepoTags", tags}, {"Layers", {"l/layer.tar", "u/layer.tar"}}};
  }

  TempDir directory_ = *TempDir::Create("/tmp", "docker-archive-test.");
};

TEST_F(DockerArchiveTest, RefusesWithTheReason) {
  EXPECT_THAT(DecodeDockerArchiveManifest("{}").error().message(), HasSubstr("not a list"));
  EXPECT_THAT(DecodeDockerArchiveManifest("[],\"x\":1").error().message(), HasSubstr("not JSON"));
  EXPECT_THAT(DecodeDockerArchiveManifest("[{}]").error().message(),
              HasSubstr("'[0].Config': missing"));
  EXPECT_THAT(SelectDockerImage({}, "").error().message(), HasSubstr("holds 0 images"));
  EXPECT_THAT(Open(TarMaker().File("x", "y")).error().message(),
              HasSubstr("not from 'docker save'"));
}

TEST_F(DockerArchiveTest, AnImageIsFoundByEachOfItsNames) {
  TarMaker once = Files();
  once.File("manifest.json", ListOf({Image({"a:1", "localhost/b:2"})}));
  TarMaker for_each = Files();
  for_each.File("manifest.json", ListOf({Image({"a:1"}), Image({"localhost/b:2"})}));
  for (const TarMaker& tar : {once, for_each}) {
    ExpectWhole(tar);
    for (const char* tag : {"a:1", "docker.io/library/a:1", "localhost/b:2"}) ExpectWhole(tar, tag);
    EXPECT_THAT(Open(tar, "a:2").error().message(), HasSubstr("there are: a:1, localhost/b:2"));
  }
  TarMaker unnamed = Files();
  unnamed.File("manifest.json", ListOf({Image(nullptr)}));
  ExpectWhole(unnamed);
  TarMaker different = Files();
  json other = Image({"c:1"});
  other["Layers"] = {"l/layer.tar"};
  different.File("manifest.json", ListOf({Image({"a:1"}), other}));
  EXPECT_THAT(Open(different).error().message(),
              HasSubstr("holds 2 images, so name one; there are: a:1, c:1"));
  ExpectWhole(different, "a:1");
}

TEST_F(DockerArchiveTest, FilesMayStandTwiceIfTheyAreTheSame) {
  TarMaker same = Files();
  same.File("u/layer.tar", kUpper).File("./c.json", ConfigOf({kLower, kUpper}));
  same.File("manifest.json", ListOf({Image({"a:1"})}))
      .File("manifest.json", ListOf({Image({"a:1"})}));
  ExpectWhole(same);
  for (const char* name : {"u/layer.tar", "c.json", "manifest.json"}) {
    TarMaker differ = Files();
    differ.File("manifest.json", ListOf({Image({"a:1"})})).File(name, "[]");
    EXPECT_THAT(
        Read(differ).error().message(),
        HasSubstr(std::string(name) + "' stands twice in the archive, with different bytes"));
  }
  TarMaker nobody = Files();
  nobody.File("manifest.json", ListOf({Image({"a:1"})})).File("VERSION", "1").File("VERSION", "2");
  ExpectWhole(nobody);
}

TEST_F(DockerArchiveTest, PathsAndLinksAreFollowedWithinTheArchive) {
  TarMaker tar;
  tar.Dir("./").File("./c.json", ConfigOf({kLower, kUpper})).File("./one/layer.tar", kLower);
  tar.File("/abs/x.tar", kUpper);
  tar.Symlink("./l/layer.tar", "../one/layer.tar").Symlink("two", "abs").HardLink("u", "two/x.tar");
  tar.File("./manifest.json",
           ListOf({{{"Config", "./c.json"}, {"Layers", {"l/layer.tar", "./u"}}}}));
  ExpectWhole(tar);
  TarMaker loop;
  loop.File("c.json", ConfigOf({kLower})).Symlink("a", "b").Symlink("b", "a");
  loop.Symlink("d", "d/d");
  for (const char* layer : {"a", "d/x", "../../etc/passwd", "/etc/passwd", ""}) {
    TarMaker bad = loop;
    bad.File("manifest.json", ListOf({{{"Config", "c.json"}, {"Layers", {layer}}}}));
    EXPECT_THAT(Open(bad).error().message(), HasSubstr("the archive holds no file")) << layer;
  }
}

// Before 1.10 Docker wrote neither manifest.json nor diff IDs.
class LegacyArchiveTest : public DockerArchiveTest {
 protected:
  const std::string lower_ = std::string(64, 'a');
  const std::string upper_ = std::string(64, 'b');

  TarMaker Layers() const {
    TarMaker tar;
    tar.File(upper_ + "/VERSION", "1.0").File(upper_ + "/layer.tar", kUpper);
    tar.File(upper_ + "/json", json{{"id", upper_},
                                    {"parent", lower_},
                                    {"os", "linux"},
                                    {"architecture", "amd64"},
                                    {"Size", 1},
                                    {"config", {{"User", "7"}, {"Cmd", nullptr}}}}
                                   .dump());
    tar.File(lower_ + "/json", json{{"id", lower_}}.dump()).File(lower_ + "/layer.tar", kLower);
    return tar;
  }
};

TEST_F(LegacyArchiveTest, LayersAreFoundByTheirParents) {
  TarMaker tar = Layers();
  tar.File("repositories", json{{"app", {{"1", upper_}, {"latest", upper_}}}}.dump());
  ExpectWhole(tar);
  ExpectWhole(tar, "app:1");
  ExpectWhole(tar, "app");
  EXPECT_THAT(Open(tar, "b:1").error().message(), HasSubstr("there are: app:1, app:latest"));
  // Each in the digest that the image has wherever it is loaded.
  const auto content = (*Open(tar))->GetManifest();
  const auto manifest = DecodeManifest(content->bytes);
  EXPECT_EQ(manifest->layers.at(0).digest, Digest::Of(kLower));
}

TEST_F(LegacyArchiveTest, WhatIsDamagedSaysWhere) {
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"repositories", R"({"app":{"1":"../../etc"}})", "'app:1': not the ID of a layer"},
      {"repositories", R"({"app":7})", "'app': not its tags"},
      {"repositories", "[]", "not a JSON object"},
      {"repositories", R"({"app":{"1":")" + std::string(64, 'c') + R"("}})",
       std::string(64, 'c') + "/json"}};
  for (const auto& [name, content, why] : cases) {
    TarMaker tar = Layers();
    tar.File(name, content);
    EXPECT_THAT(Open(tar).error().message(), HasSubstr(why)) << content;
  }
  TarMaker loop;
  loop.File(upper_ + "/json", json{{"parent", upper_}}.dump()).File(upper_ + "/layer.tar", kUpper);
  loop.File("repositories", json{{"app", {{"1", upper_}}}}.dump());
  EXPECT_THAT(Open(loop).error().message(), HasSubstr("layers"));
  EXPECT_EQ(Open(loop).error().code(), ErrorCode::kResourceExhausted);
  TarMaker outside;
  outside.File(upper_ + "/json", R"({"parent":"../x"})").File(upper_ + "/layer.tar", kUpper);
  outside.File("repositories", json{{"app", {{"1", upper_}}}}.dump());
  EXPECT_THAT(Open(outside).error().message(), HasSubstr("'parent': not the ID of a layer"));
}

}  // namespace
}  // namespace locket::image
