#include "image/local/local_image.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "base/subprocess.h"
#include "image/local/local_files.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kLayer(300'000, 'L');

std::string RunTool(const std::vector<std::string>& argv) {
  const auto output = RunCommand(argv);
  EXPECT_TRUE(output.ok()) << (output.ok() ? "" : output.error().message());
  if (!output.ok()) return {};
  EXPECT_EQ(output->exit_status, 0) << argv[0] << ": " << output->standard_error;
  return output->standard_output;
}

void Write(const fs::path& path, std::string_view content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

// A layout with one image, written by OpenLayoutTarget, in a directory of its own.
class LocalImageTest : public ::testing::Test {
 protected:
  LocalImageTest() {
    manifest_.layers.push_back({.media_type = std::string(kOciLayerTar),
                                .digest = Digest::Of(kLayer),
                                .size = kLayer.size()});
    config_ = EncodeImageConfig(
        {.architecture = "amd64", .os = "linux", .diff_ids = {Digest::Of(kLayer)}});
    manifest_.config = DescriptorOf(kOciConfig, config_);
  }

  Status WriteLayout(const std::string& tag) {
    LOCKET_TRY_ASSIGN(const auto target, OpenLayoutTarget(layout(), tag));
    LOCKET_TRY(target->PutBlobBytes(manifest_.layers[0], kLayer));
    LOCKET_TRY(target->PutBlobBytes(manifest_.config, config_));
    LOCKET_TRY(target->PutManifest(kOciManifest, EncodeManifest(manifest_)));
    return Ok();
  }

  Result<std::unique_ptr<ImageSource>> Open(const std::string& text) {
    LOCKET_TRY_ASSIGN(const auto location, ParseImageLocation(text));
    return OpenLocalSource(location, {.platform = {.architecture = "amd64", .os = "linux"},
                                      .temporary_directory = directory_.path()});
  }

  void ExpectWhole(const std::string& text) {
    const auto source = Open(text);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const auto content = (*source)->GetManifest();
    ASSERT_TRUE(content.ok()) << content.error().message();
    EXPECT_EQ(Digest::Of(content->bytes), content->descriptor.digest);
    const auto manifest = DecodeManifest(content->bytes);
    ASSERT_TRUE(manifest.ok());
    EXPECT_EQ(*ReadBlob(**source, manifest->config, kMaxConfigBytes), config_);
    const auto layer = ReadBlob(**source, manifest->layers.at(0), kLayer.size());
    ASSERT_TRUE(layer.ok()) << layer.error().message();
    EXPECT_EQ(*layer, kLayer);
  }

  fs::path layout() const { return directory_.path() / "layout"; }
  std::string At() const { return "oci:" + layout().string(); }

  TempDir directory_ = *TempDir::Create("/tmp", "local-image-test.");
  std::string config_;
  Manifest manifest_{.media_type = std::string(kOciManifest),
                     .config = DescriptorOf(kOciConfig, "{}"),
                     .layers = {}};
};

TEST_F(LocalImageTest, ALayoutReadsBackWithAndWithoutItsTag) {
  ASSERT_TRUE(WriteLayout("1").ok());
  ExpectWhole(At() + ":1");
  ExpectWhole(At());
}

TEST_F(LocalImageTest, ATagIsReplacedAndOthersStay) {
  ASSERT_TRUE(WriteLayout("1").ok());
  ASSERT_TRUE(WriteLayout("2").ok());
  manifest_.annotations["new"] = "yes";
  ASSERT_TRUE(WriteLayout("1").ok());
  const auto one = (*Open(At() + ":1"))->GetManifest();
  EXPECT_THAT(one->bytes, HasSubstr("new"));
  EXPECT_EQ(DecodeIndex(*ReadFile(layout() / "index.json", 1 << 20))->manifests.size(), 2U);
  EXPECT_THAT(Open(At()).error().message(), HasSubstr("several images"));
  EXPECT_THAT(Open(At() + ":3").error().message(), HasSubstr("there are: 2, 1"));
  EXPECT_EQ(Open(At() + ":3").error().code(), ErrorCode::kNotFound);
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

TEST_F(LocalImageTest, TheTargetRefusesBlobsThatAreNotWhatTheySay) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok()) << target.error().message();
  auto blob = manifest_.layers[0];
  EXPECT_EQ((*target)->PutBlobBytes(blob, std::string(kLayer.size(), 'x')).error().code(),
            ErrorCode::kDataLoss);
  EXPECT_EQ((*target)->PutBlobBytes(blob, "short").error().code(), ErrorCode::kDataLoss);
  const fs::path file = directory_.path() / "blob";
  Write(file, "short");
  const UniqueFd fd = *OpenFile(file, O_RDONLY);
  EXPECT_EQ((*target)->PutBlob(blob, fd.get()).error().code(), ErrorCode::kDataLoss);
  EXPECT_TRUE(fs::is_empty(layout() / "blobs" / "sha256")) << "nothing half-written";
}

TEST_F(LocalImageTest, TheTargetMovesAFileItMayTake) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const auto blob = manifest_.layers[0];
  const fs::path stored = layout() / "blobs" / "sha256" / blob.digest.Hex();
  const fs::path file = directory_.path() / "blob";
  Write(file, kLayer);
  struct stat before {};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  ASSERT_TRUE((*target)->TakeBlob(blob, file).ok());
  struct stat after {};
  ASSERT_EQ(::stat(stored.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino) << "moved, not copied";
  EXPECT_EQ(after.st_mode & 07777U, 0644U);
  EXPECT_FALSE(fs::exists(file));
  Write(file, kLayer);
  EXPECT_TRUE((*target)->TakeBlob(blob, file).ok()) << "it has the blob already";
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(LocalImageTest, TheTargetCopiesAFileFromElsewhereAndRefusesAWrongOne) {
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const auto blob = manifest_.layers[0];
  const fs::path file = directory_.path() / "blob";
  Write(file, "short");
  EXPECT_EQ((*target)->TakeBlob(blob, file).error().code(), ErrorCode::kDataLoss);
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(fs::is_empty(layout() / "blobs" / "sha256"));
  EXPECT_THAT((*target)->TakeBlob(blob, file).error().message(), HasSubstr("No such file"));
  const auto elsewhere = TempDir::Create("/dev/shm", "locket-test-");
  ASSERT_TRUE(elsewhere.ok());
  const fs::path far = elsewhere->path() / "blob";
  Write(far, kLayer);
  ASSERT_TRUE((*target)->TakeBlob(blob, far).ok());
  EXPECT_EQ(*ReadFile(layout() / "blobs" / "sha256" / blob.digest.Hex(), 1U << 20), kLayer);
  EXPECT_FALSE(fs::exists(far));
}

TEST_F(LocalImageTest, UmociAndSkopeoUnderstandOurLayout) {
  const fs::path tree = directory_.path() / "tree";
  Write(tree / "file", "content");
  const fs::path tar = directory_.path() / "layer.tar";
  RunTool({"tar", "-C", tree.string(), "-cf", tar.string(), "."});
  const std::string layer = *ReadFile(tar, 1 << 20);
  const auto descriptor = DescriptorOf(kOciLayerTar, layer);
  config_ =
      EncodeImageConfig({.architecture = "amd64", .os = "linux", .diff_ids = {descriptor.digest}});
  manifest_.config = DescriptorOf(kOciConfig, config_);
  manifest_.layers = {descriptor};
  const auto target = OpenLayoutTarget(layout(), "1");
  ASSERT_TRUE(target.ok());
  const UniqueFd fd = *OpenFile(tar, O_RDONLY);
  ASSERT_TRUE((*target)->PutBlob(descriptor, fd.get()).ok());
  ASSERT_TRUE((*target)->PutBlobBytes(manifest_.config, config_).ok());
  ASSERT_TRUE((*target)->PutManifest(kOciManifest, EncodeManifest(manifest_)).ok());
  EXPECT_THAT(RunTool({"umoci", "stat", "--image", layout().string() + ":1", "--json"}),
              HasSubstr("history"));
  EXPECT_THAT(RunTool({"skopeo", "inspect", "--raw", At() + ":1"}),
              HasSubstr(descriptor.digest.ToText()));
  // And back: a tag that umoci writes, an archive that skopeo writes.
  RunTool(
      {"umoci", "config", "--image", layout().string() + ":1", "--tag", "2", "--config.user", "5"});
  const auto theirs = Open(At() + ":2");
  ASSERT_TRUE(theirs.ok()) << theirs.error().message();
  const auto manifest = DecodeManifest((*theirs)->GetManifest()->bytes);
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(DecodeImageConfig(*ReadBlob(**theirs, manifest->config, kMaxConfigBytes))->user, "5");
  for (const std::string kind : {"oci-archive:", "docker-archive:"}) {
    const std::string place =
        kind + (directory_.path() / (kind.substr(0, 3) + ".tar")).string() + ":app:1";
    RunTool({"skopeo", "--insecure-policy", "copy", At() + ":1", place});
    const auto source = Open(place);
    ASSERT_TRUE(source.ok()) << source.error().message();
    const auto copied = DecodeManifest((*source)->GetManifest()->bytes);
    ASSERT_TRUE(copied.ok());
    const auto bytes = ReadBlob(**source, copied->layers.at(0), 1 << 20);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message();
  }
}

// The end of a pipe that nobody writes to: who waits for it must be able to give up.
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
