#include "tests/cli/image/image_fixture.h"

#include <array>

#include "image/oci/digest.h"

namespace locket::cli {

TempDir* ImageTest::layout_ = nullptr;

void RunTool(const std::vector<std::string>& argv) {
  const auto output = RunCommand(argv);
  ASSERT_TRUE(output.ok()) << argv[0] << ": " << output.error().message();
  ASSERT_EQ(output->exit_status, 0) << argv[0] << ": " << output->standard_error;
}

void ImageTest::SetUpTestSuite() {
  layout_ = new TempDir(TempDir::Create(::testing::TempDir(), "locket-images-").value());
  const auto path = [](const std::string& name) { return (layout_->path() / name).string(); };
  const auto write = [&](const std::string& name, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << content;
  };
  write("base/etc/passwd", "root:x:0:0::/:/bin/sh\ndemo:x:1000:1001::/:/bin/sh\n");
  write("base/etc/group", "root:x:0:\nstaff:x:50:\n");
  write("base/bin/sh", std::string(300'000, 'b'));
  write("app/app/secret", "the secret of the application layer");
  const std::string oci = path("oci");
  for (const char* layer : {"base", "app"}) {
    RunTool({"tar", "--sort=name", "--mtime=@0", "--numeric-owner", "--owner=0", "--group=0", "-C",
             path(layer), "-cf", path(std::string(layer) + ".tar"), "."});
  }
  RunTool({"umoci", "init", "--layout", oci});
  RunTool({"umoci", "new", "--image", oci + ":base"});
  RunTool({"umoci", "raw", "add-layer", "--image", oci + ":base", path("base.tar")});
  RunTool({"umoci", "tag", "--image", oci + ":base", "app"});
  RunTool({"umoci", "raw", "add-layer", "--image", oci + ":app", path("app.tar")});
  RunTool({"umoci", "config", "--image", oci + ":app", "--config.user", "demo",
           "--config.entrypoint", "/bin/sh"});
  RunTool({"umoci", "tag", "--image", oci + ":app", "lost"});
  RunTool({"umoci", "config", "--image", oci + ":lost", "--config.user", "nobody-knows"});
}

void ImageTest::TearDownTestSuite() {
  delete layout_;
  layout_ = nullptr;
}

nlohmann::json ImageTest::SealApp(const std::string& target, std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      "image", "seal",     Source("app"),         target,   "--base", Source("base"),      "--kek",
      kek_,    "--key-id", "kbs:///team/key/app", "--json", "--tmp",  dir_.path().string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto seal = cli_.Run(arguments);
  EXPECT_EQ(seal.exit_code, 0) << seal.err;
  return nlohmann::json::parse(seal.out, nullptr, false);
}

std::string ImageTest::MakeIndex() {
  using nlohmann::json;
  RunTool({"cp", "-r", LayoutPath(), Path("layout")});
  json index = ReadJson(Path("layout/index.json"));
  json list = {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", json::array()}};
  const std::vector<std::array<std::string, 3>> entries = {
      {"app", "amd64", "linux"}, {"base", "arm64", "linux"}, {"lost", "unknown", "unknown"}};
  for (const auto& [tag, architecture, os] : entries) {
    for (json entry : index["manifests"]) {
      if (entry["annotations"]["org.opencontainers.image.ref.name"] != tag) continue;
      entry["annotations"] = {{"for", architecture}};
      entry["platform"] = {{"architecture", architecture}, {"os", os}};
      list["manifests"].push_back(entry);
    }
  }
  const std::string bytes = list.dump();
  index_digest_ = image::Digest::Of(bytes).ToText();
  Write("layout/blobs/sha256/" + index_digest_.substr(7), bytes);
  index["manifests"].push_back({{"mediaType", kIndexType},
                                {"digest", index_digest_},
                                {"size", bytes.size()},
                                {"annotations", {{"org.opencontainers.image.ref.name", "multi"}}}});
  Write("layout/index.json", index.dump());
  return "oci:" + Path("layout") + ":multi";
}

bool ImageTest::TemporaryFilesLeft() const {
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    if (entry.path().filename().string().starts_with("locket-")) return true;
  }
  return false;
}

}  // namespace locket::cli
