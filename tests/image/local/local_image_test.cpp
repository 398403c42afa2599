#include "image/local/local_image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "image/local/local_files.h"
#include "image/oci/media_type.h"
#include "tests/image/local/layout_fixture.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class LocalImageTest : public LayoutFixture {};

TEST_F(LocalImageTest, ALayoutReadsBackWithAndWithoutItsTag) {
  ASSERT_TRUE(WriteLayout("1").ok());
  ExpectWhole(At() + ":1");
  ExpectWhole(At());
}

TEST_F(LocalImageTest, AnArchiveOfALayoutReadsTheSame) {
  ASSERT_TRUE(WriteLayout("1").ok());
  const std::string archive = (directory_.path() / "image.tar.gz").string();
  RunTool({"tar", "-C", layout().string(), "-czf", archive, "."});
  ExpectWhole("oci-archive:" + archive + ":1");
}

TEST_F(LocalImageTest, ADockerArchiveReadsTheSame) {
  const fs::path docker = directory_.path() / "docker";
  Write(docker / "abc.json", config_);
  Write(docker / "one" / "real.tar", kLayer);
  fs::create_directories(docker / "two");
  fs::create_symlink("../one/real.tar", docker / "two" / "layer.tar");  // as `docker save` has them
  Write(docker / "manifest.json",
        R"([{"Config":"abc.json","RepoTags":["app:1"],"Layers":["two/layer.tar"]}])");
  const std::string archive = (directory_.path() / "docker.tar").string();
  RunTool({"tar", "-C", docker.string(), "-cf", archive, "."});
  ExpectWhole("docker-archive:" + archive);
  ExpectWhole("docker-archive:" + archive + ":docker.io/library/app:1");
  EXPECT_THAT(Open("docker-archive:" + archive + ":app:2").error().message(),
              HasSubstr("there are: app:1"));
  EXPECT_THAT(Open("oci-archive:" + archive).error().message(),
              HasSubstr("not an OCI image layout"));
}

// By crane and Bazel in gzip, by Docker's containerd store as it was pulled.
TEST_F(LocalImageTest, ADockerArchiveMayHoldItsLayersCompressed) {
  const fs::path docker = directory_.path() / "docker";
  Write(docker / "abc.json", config_);
  Write(docker / "plain", kLayer);
  const std::tuple<const char*, std::vector<std::string>, std::string_view> kinds[] = {
      {"gzip", {"gzip", "-c"}, kOciLayerGzip}, {"zstd", {"zstd", "-qc"}, kOciLayerZstd}};
  for (auto [name, argv, media_type] : kinds) {
    argv.push_back(docker / "plain");
    const std::string packed = RunTool(argv);
    Write(docker / "layer", packed);
    Write(docker / "manifest.json",
          R"([{"Config":"abc.json","RepoTags":["app:1"],"Layers":["layer"]}])");
    const std::string archive = (directory_.path() / name).string();
    RunTool({"tar", "-C", docker.string(), "-cf", archive, "."});
    const auto source = Open("docker-archive:" + archive);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const auto manifest = DecodeManifest((*source)->GetManifest()->bytes);
    ASSERT_TRUE(manifest.ok());
    EXPECT_EQ(manifest->layers.at(0), DescriptorOf(media_type, packed));
    const auto layer = ReadBlob(**source, manifest->layers.at(0), 1U << 20);
    ASSERT_TRUE(layer.ok()) << layer.error().message();
    EXPECT_EQ(*layer, packed);
  }
}

TEST_F(LocalImageTest, ALayerUnlikeItsDiffIdIsNoticedAtTheEnd) {
  const fs::path docker = directory_.path() / "docker";
  Write(docker / "abc.json", config_);
  Write(docker / "layer.tar", std::string(kLayer.size(), 'X'));
  Write(docker / "manifest.json",
        R"([{"Config":"abc.json","RepoTags":null,"Layers":["layer.tar"]}])");
  const std::string archive = (directory_.path() / "docker.tar").string();
  RunTool({"tar", "-C", docker.string(), "-cf", archive, "."});
  const auto source = Open("docker-archive:" + archive);
  ASSERT_TRUE(source.ok()) << source.error().message();
  const auto layer = ReadBlob(**source, manifest_.layers[0], kLayer.size());
  EXPECT_EQ(layer.error().code(), ErrorCode::kDataLoss);
}

TEST_F(LocalImageTest, NothingLeavesTheTemporaryDirectoryNorStaysThere) {
  const fs::path docker = directory_.path() / "docker";
  Write(docker / "x", "x");
  const std::string archive = (directory_.path() / "evil.tar").string();
  RunTool({"tar", "-P", "--transform", "s,^,../../escape/,", "-C", docker.string(), "-cf", archive,
           "x"});
  EXPECT_THAT(Open("docker-archive:" + archive).error().message(),
              HasSubstr("not from 'docker save'"));
  EXPECT_FALSE(fs::exists(directory_.path().parent_path() / "escape"));
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("locket-archive")) << entry.path();
  }
}

TEST_F(LocalImageTest, WrongBytesAreDataLoss) {
  ASSERT_TRUE(WriteLayout("1").ok());
  const fs::path blob = layout() / "blobs" / "sha256" / Digest::Of(kLayer).Hex();
  const auto read = [&](const std::string& content) {
    Write(blob, content);
    return ReadBlob(**Open(At()), manifest_.layers[0], 1 << 20).error();
  };
  EXPECT_THAT(read(kLayer + "x").message(), HasSubstr("longer than stated"));
  EXPECT_THAT(read(kLayer.substr(1)).message(), HasSubstr("shorter than stated"));
  EXPECT_THAT(read(std::string(kLayer.size(), 'x')).message(), HasSubstr("its content is"));
  EXPECT_EQ(read("").code(), ErrorCode::kDataLoss);
}

TEST_F(LocalImageTest, AChangedManifestIsNoticed) {
  ASSERT_TRUE(WriteLayout("1").ok());
  const std::string bytes = EncodeManifest(manifest_);
  Write(layout() / "blobs" / "sha256" / Digest::Of(bytes).Hex(), bytes + " ");
  EXPECT_THAT(Open(At()).error().message(), HasSubstr("is not what its name says"));
}

TEST_F(LocalImageTest, WaitingForAnArchiveEndsWhenItIsToldTo) {
  const std::string pipe = directory_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const UniqueFd writer = *OpenFile(pipe, O_RDWR);
  std::stop_source source;
  source.request_stop();
  const auto opened =
      OpenLocalSource(*ParseImageLocation("oci-archive:" + pipe),
                      {.temporary_directory = directory_.path(), .stop = source.get_token()});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCancelled);
}

// A few bytes would fill the disk.
TEST_F(LocalImageTest, ASparseFileInAnArchiveIsRefusedByName) {
  Write(directory_.path() / "in" / "manifest.json", "[]");
  fs::resize_file(directory_.path() / "in" / "manifest.json", 1U << 30);
  const std::string archive = directory_.path() / "sparse.tar";
  RunTool({"tar", "-S", "-C", directory_.path() / "in", "-cf", archive, "manifest.json"});
  const auto opened = Open("docker-archive:" + archive);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("'manifest.json' is a sparse file"));
}

// For these libarchive would start a program, whatever the archive then makes of it.
TEST_F(LocalImageTest, NoProgramIsStartedToUnpackAnArchive) {
  ASSERT_TRUE(WriteLayout("1").ok());
  const std::string archive = directory_.path() / "image.lzo";
  Write(archive, std::string("\x89LZO\x00\x0d\x0a\x1a\x0a", 9) + std::string(1000, 'x'));
  const auto opened = Open("oci-archive:" + archive);
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.error().message(), HasSubstr("Unrecognized archive format"));
  for (const std::string flag : {"-j", "-J", "--zstd", "-z"}) {
    const std::string packed = directory_.path() / ("packed" + flag);
    RunTool({"tar", flag, "-C", layout().string(), "-cf", packed, "."});
    ExpectWhole("oci-archive:" + packed);
  }
}

// Several entries without names are the platforms of one image, and so are several of one name.
TEST_F(LocalImageTest, EntriesOfOneNameArePlatformsOfOneImage) {
  const auto put = [&](const std::string& architecture, const std::string& tag) {
    config_ = EncodeImageConfig(
        {.architecture = architecture, .os = "linux", .diff_ids = {Digest::Of(kLayer)}});
    manifest_.config = DescriptorOf(kOciConfig, config_);
    ASSERT_TRUE(WriteLayout(tag).ok());
  };
  put("arm64", "");
  put("amd64", "");
  ExpectWhole(At());
  auto index = *DecodeIndex(*ReadFile(layout() / "index.json", 1 << 20));
  for (auto& entry : index.manifests) entry.annotations[std::string(kRefName)] = "1";
  Write(layout() / "index.json", EncodeIndex(index));
  ExpectWhole(At() + ":1");
  // The same one twice is one.
  index.manifests[0] = index.manifests[1];
  Write(layout() / "index.json", EncodeIndex(index));
  EXPECT_EQ((*Open(At() + ":1"))->GetTop()->descriptor.digest, index.manifests[1].digest);
  ExpectWhole(At());
}

// `ctr images export` and BuildKit name an image by its tag, and in full beside it.
TEST_F(LocalImageTest, AnImageIsFoundByContainerdsFullName) {
  ASSERT_TRUE(WriteLayout("1").ok());
  auto index = *DecodeIndex(*ReadFile(layout() / "index.json", 1 << 20));
  index.manifests[0].annotations["io.containerd.image.name"] = "docker.io/library/app:1";
  Write(layout() / "index.json", EncodeIndex(index));
  ExpectWhole(At() + ":1");
  const std::string archive = (directory_.path() / "image.tar").string();
  RunTool({"tar", "-C", layout().string(), "-cf", archive, "."});
  ExpectWhole("oci-archive:" + archive + ":docker.io/library/app:1");
  ExpectWhole("oci-archive:" + archive + ":app:1");
  EXPECT_EQ(Open("oci-archive:" + archive + ":app:2").error().code(), ErrorCode::kNotFound);
}

TEST_F(LocalImageTest, ALayoutIsReadThoughToolsLeftThingsOut) {
  ASSERT_TRUE(WriteLayout("1").ok());
  fs::remove(layout() / "oci-layout");
  auto index = *DecodeIndex(*ReadFile(layout() / "index.json", 1 << 20));
  index.manifests[0].media_type.clear();
  Write(layout() / "index.json", EncodeIndex(index));
  ExpectWhole(At() + ":1");
}

TEST_F(LocalImageTest, AnEntryThatCannotBeReadMattersToItsOwnNameOnly) {
  ASSERT_TRUE(WriteLayout("1").ok());
  const std::string sha512 = R"({"annotations":{"org.opencontainers.image.ref.name":"2"},"digest":)"
                             R"("sha512:)" +
                             std::string(128, 'a') + R"(","mediaType":"m","size":1})";
  std::string text = *ReadFile(layout() / "index.json", 1 << 20);
  text.insert(text.find('[') + 1, sha512 + ",");
  Write(layout() / "index.json", text);
  ExpectWhole(At() + ":1");
  ExpectWhole(At());
  EXPECT_THAT(Open(At() + ":2").error().message(),
              HasSubstr("the image's entry in 'index.json': 'digest': a sha512 digest"));
  ASSERT_TRUE(WriteLayout("3").ok());
  EXPECT_THAT(*ReadFile(layout() / "index.json", 1 << 20), HasSubstr(sha512)) << "it stays";
  ASSERT_TRUE(WriteLayout("2").ok());
  EXPECT_THAT(*ReadFile(layout() / "index.json", 1 << 20), Not(HasSubstr("sha512")))
      << "until its name is another's";
  ExpectWhole(At() + ":2");
}

}  // namespace
}  // namespace locket::image
