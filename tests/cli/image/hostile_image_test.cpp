// Manifests, configs and archives that somebody made to do harm: every command says what is wrong
// and where, and puts nothing.
#include <gmock/gmock.h>

#include "image/oci/digest.h"
#include "image/oci/manifest.h"
#include "tests/cli/image/image_fixture.h"
#include "tests/erofs/tar_maker.h"

namespace locket::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class HostileImageTest : public ImageTest {
 protected:
  using Change = std::function<void(json& manifest, json& config)>;

  std::string PutBlob(const std::string& bytes) const {
    const auto digest = image::Digest::Of(bytes);
    Write("layout/blobs/sha256/" + digest.Hex(), bytes);
    return digest.ToText();
  }
  json BlobJson(const json& descriptor) const {
    const std::string digest = descriptor["digest"];
    return ReadJson(Path("layout/blobs/sha256/" + digest.substr(7)));
  }

  // `app` changed, all digests put right again; answers its name.
  std::string Changed(const Change& change) {
    fs::remove_all(Path("layout"));
    RunTool({"cp", "-r", LayoutPath(), Path("layout")});
    json index = ReadJson(Path("layout/index.json"));
    for (json& entry : index["manifests"]) {
      if (entry["annotations"]["org.opencontainers.image.ref.name"] != "app") continue;
      json manifest = BlobJson(entry);
      json config = BlobJson(manifest["config"]);
      const std::string before = config.dump();
      change(manifest, config);
      if (config.dump() != before) {
        manifest["config"]["digest"] = PutBlob(config.dump());
        manifest["config"]["size"] = config.dump().size();
      }
      entry["digest"] = PutBlob(manifest.dump());
      entry["size"] = manifest.dump().size();
    }
    Write("layout/index.json", index.dump());
    return "oci:" + Path("layout") + ":app";
  }

  // Exits 1 with the reason, and nothing can be seen in the target.
  void ExpectRefused(std::vector<std::string> command, const std::string& reason) {
    fs::remove_all(Path("target"));
    command.insert(command.end(), {"--tmp", dir_.path().string()});
    const auto run = cli_.Run(command);
    EXPECT_EQ(run.exit_code, 1) << reason;
    EXPECT_THAT(run.err, HasSubstr(reason));
    EXPECT_EQ(cli_.Run({"image", "inspect", "oci:" + Path("target") + ":x"}).exit_code, 1)
        << reason;
    EXPECT_FALSE(TemporaryFilesLeft()) << reason;
  }
  std::vector<std::string> Seal(const std::string& image) const {
    return {"image", "seal", image, "oci:" + Path("target") + ":x", "--encrypt-layers", "none"};
  }
};

TEST_F(HostileImageTest, ManifestsAndConfigsAreRefusedByWhatIsWrong) {
  const std::vector<std::pair<std::string, Change>> cases = {
      {"'layers': more than 1024 entries",
       [](json& manifest, json&) {
         while (manifest["layers"].size() <= image::kMaxLayers) {
           manifest["layers"].push_back(manifest["layers"][0]);
         }
       }},
      {"the manifest has 1 layers, the config 2",
       [](json& manifest, json&) { manifest["layers"].erase(1); }},
      {"the image has no layers",
       [](json& manifest, json& config) {
         manifest["layers"] = json::array();
         config["rootfs"]["diff_ids"] = json::array();
       }},
      {"layer 1: media type 'application/x-unknown' is no tar layer",
       [](json& manifest, json&) { manifest["layers"][1]["mediaType"] = "application/x-unknown"; }},
      {"'layers[1].size'", [](json& manifest, json&) { manifest["layers"][1]["size"] = -1; }},
      {"'layers[0].digest'",
       [](json& manifest, json&) { manifest["layers"][0]["digest"] = "sha256:../../etc/passwd"; }},
      {"layer 2 of 2: read the layer's tar: read blob",
       [](json& manifest, json&) { manifest["layers"][1]["size"] = 1; }},
      {"not the config's sha256:",
       [](json&, json& config) {
         std::swap(config["rootfs"]["diff_ids"][0], config["rootfs"]["diff_ids"][1]);
       }},
      {"both a manifest and an index",
       [](json& manifest, json&) { manifest["manifests"] = json::array(); }},
      {"a Docker schema 1 manifest", [](json& manifest, json&) { manifest["schemaVersion"] = 1; }},
      {"'rootfs.diff_ids'", [](json&, json& config) { config["rootfs"]["diff_ids"][0] = 5; }}};
  for (const auto& [reason, change] : cases) ExpectRefused(Seal(Changed(change)), reason);
}

TEST_F(HostileImageTest, LayersThatAreNoTarNameLayerAndEntry) {
  const auto with_layer = [&](const std::string& bytes) {
    return Changed([&](json& manifest, json& config) {
      manifest["layers"][1]["digest"] = PutBlob(bytes);
      manifest["layers"][1]["size"] = bytes.size();
      manifest["layers"][1]["mediaType"] = "application/vnd.oci.image.layer.v1.tar";
      config["rootfs"]["diff_ids"][1] = image::Digest::Of(bytes).ToText();
    });
  };
  const std::string up = TarMaker().File("a/../../../etc/shadow", "x").Finish();
  for (const std::string command : {"seal", "measure"}) {
    std::vector<std::string> arguments = {"image", command, with_layer(up)};
    if (command == "seal") arguments = Seal(arguments.back());
    ExpectRefused(arguments, "climbs above the root");
    ExpectRefused(arguments, "etc/shadow");
    ExpectRefused(arguments, command == "seal" ? "layer 2 of 2" : "layer 1 (sha256:");
  }
  ExpectRefused(Seal(with_layer(std::string(2000, 'x'))), "layer 2 of 2");
}

TEST_F(HostileImageTest, ArchivesThatAreNone) {
  const std::string random = Write("random.tar", std::string(100'000, '\x5a'));
  for (const char* kind : {"oci-archive:", "docker-archive:"}) {
    ExpectRefused(Seal(kind + random), "Unrecognized archive format");
  }
  const std::string twice =
      Write("twice.tar", TarMaker().File("index.json", "{}").File("./index.json", "{ }").Finish());
  ExpectRefused(Seal("oci-archive:" + twice), "stands twice in the archive");
  TarMaker outside;
  outside.File("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  outside.Symlink("index.json", "/etc/passwd");
  ExpectRefused(Seal("oci-archive:" + Write("outside.tar", outside.Finish())), "index.json");
  EXPECT_EQ(cli_.Run({"image", "inspect", "oci-archive:" + Path("none.tar")}).exit_code, 1);
}

// Sealed already, and then changed by whoever keeps it.
TEST_F(HostileImageTest, SealedManifestsAreCheckedBeforeAnythingIsFetched) {
  SealApp(Sealed());
  const json index = ReadJson(Path("sealed/index.json"));
  const std::string digest = index["manifests"][0]["digest"];
  const json good = ReadJson(BlobPath(digest));
  const std::vector<std::tuple<std::string, std::string, json>> cases = {
      {"layer 0: annotation 'dev.locket.verity.root-hash'",
       "/layers/0/annotations/dev.locket.verity.root-hash", "00"},
      {"layer 1: annotation 'dev.locket.verity.data-size'",
       "/layers/1/annotations/dev.locket.verity.data-size", "99999999999999999999"},
      {"version '2' is not known here", "/annotations/dev.locket.version", "2"},
      {"layer 1: its diff ID is not its digest", "/layers/1/digest",
       image::Digest::Of("x").ToText()}};
  for (const auto& [reason, pointer, value] : cases) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    const std::string bytes = changed.dump();
    Write("sealed/blobs/sha256/" + image::Digest::Of(bytes).Hex(), bytes);
    json entries = index;
    entries["manifests"][0]["digest"] = image::Digest::Of(bytes).ToText();
    entries["manifests"][0]["size"] = bytes.size();
    Write("sealed/index.json", entries.dump());
    for (const std::string command : {"verify", "extract", "inspect"}) {
      std::vector<std::string> arguments = {"image", command, Sealed()};
      if (command == "extract") arguments.insert(arguments.end(), {Path("out"), "--rootless"});
      ExpectRefused(arguments, reason);
      EXPECT_FALSE(fs::exists(Path("out")));
    }
  }
}

}  // namespace
}  // namespace locket::cli
