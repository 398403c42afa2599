// What the ecosystem's tools read past must not change what we read: members that are null, and
// members that nobody knows, anywhere in a document.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "image/local/docker_archive.h"
#include "image/oci/manifest.h"
#include "image/oci/media_type.h"

namespace locket::image {
namespace {

using nlohmann::json;

const std::string kDigest = Digest::Of("a").ToText();

json Entry() {
  return {{"mediaType", kOciManifest},
          {"digest", kDigest},
          {"size", 5},
          {"annotations", {{"k", "v"}}},
          {"platform", {{"architecture", "arm"}, {"os", "linux"}, {"variant", "v7"}}}};
}

json SomeManifest() {
  return {{"schemaVersion", 2},
          {"mediaType", kOciManifest},
          {"config", {{"mediaType", kOciConfig}, {"digest", kDigest}, {"size", 1}}},
          {"layers", {Entry(), Entry()}},
          {"annotations", {{"a", "b"}}}};
}

json SomeIndex() {
  return {{"schemaVersion", 2},
          {"mediaType", kOciIndex},
          {"manifests", {Entry(), Entry()}},
          {"annotations", {{"a", "b"}}}};
}

json SomeConfig() {
  return {{"architecture", "amd64"},
          {"os", "linux"},
          {"config",
           {{"User", "0:0"},
            {"Env", {"A=1"}},
            {"Entrypoint", {"e"}},
            {"Cmd", {"c"}},
            {"Labels", {{"l", "m"}}},
            {"WorkingDir", "/w"}}},
          {"rootfs", {{"type", "layers"}, {"diff_ids", {kDigest}}}}};
}

// Leaves out what is kept for rewriting only.
void Known(Descriptor& descriptor) {
  descriptor.extra = "{}";
  if (descriptor.platform) descriptor.platform->extra = "{}";
}

std::string ReadManifest(const std::string& text) {
  auto manifest = DecodeManifest(text);
  if (!manifest.ok()) return manifest.error().message();
  manifest->extra = "{}";
  Known(manifest->config);
  for (auto& layer : manifest->layers) Known(layer);
  return *DetectMediaType(text) + EncodeManifest(*manifest);
}

std::string ReadIndex(const std::string& text) {
  auto index = DecodeIndex(text);
  if (!index.ok()) return index.error().message();
  index->extra = "{}";
  for (auto& entry : index->manifests) Known(entry);
  for (auto& entry : index->unread) entry.json = json(entry.why).dump();
  return *DetectMediaType(text) + EncodeIndex(*index);
}

std::string ReadConfig(const std::string& text) {
  auto config = DecodeImageConfig(text);
  if (!config.ok()) return config.error().message();
  config->extra = config->config_extra = config->rootfs_extra = "{}";
  return EncodeImageConfig(*config);
}

// Every object in `document`, by its place; `maps` are those whose names are data.
void Objects(const json& document, const json::json_pointer& at,
             std::vector<json::json_pointer>& objects, std::vector<json::json_pointer>& maps) {
  if (document.is_object()) {
    const bool map = !at.empty() && (at.back() == "annotations" || at.back() == "Labels");
    (map ? maps : objects).push_back(at);
  }
  if (!document.is_structured()) return;
  for (const auto& [name, value] : document.items()) {
    const auto inner = document.is_array() ? at / std::stoul(name) : at / name;
    Objects(value, inner, objects, maps);
  }
}

// Names that mean something somewhere, so that one that is looked for too eagerly is found out.
const char* const kNames[] = {
    "mediaType", "schemaVersion", "config",  "layers",      "manifests",   "annotations",
    "platform",  "data",          "urls",    "digest",      "size",        "artifactType",
    "subject",   "fsLayers",      "variant", "os.version",  "os.features", "os",
    "rootfs",    "history",       "Labels",  "Env",         "Cmd",         "Entrypoint",
    "User",      "WorkingDir",    "OnBuild", "Healthcheck", "diff_ids",    "type",
    "x-unknown"};

using Read = std::function<std::string(const std::string&)>;

void ExpectUnchanged(const json& document, const Read& read) {
  const std::string before = read(document.dump());
  std::vector<json::json_pointer> objects;
  std::vector<json::json_pointer> maps;
  Objects(document, json::json_pointer(), objects, maps);
  size_t tried = 0;
  const auto expect = [&](const json::json_pointer& at, const std::string& name,
                          const json& value) {
    if (document.at(at).contains(name)) return;
    json changed = document;
    changed[at][name] = value;
    EXPECT_EQ(read(changed.dump()), before) << name << " = " << value << " in " << at.to_string();
    ++tried;
  };
  for (const auto& at : objects) {
    for (const char* name : kNames) expect(at, name, nullptr);
    for (const json& value : {json(1), json("text"), json::array({nullptr}), json::object(),
                              json({{"mediaType", 7}})}) {
      expect(at, "x-unknown", value);
    }
  }
  for (const auto& at : maps) expect(at, "null", nullptr);
  EXPECT_GT(tried, 50U);
}

TEST(DocumentPropertiesTest, NullAndUnknownMembersChangeNothing) {
  ExpectUnchanged(SomeManifest(), ReadManifest);
  ExpectUnchanged(SomeIndex(), ReadIndex);
  ExpectUnchanged(SomeConfig(), ReadConfig);
}

// The other way round: each member that is not required may be null.
TEST(DocumentPropertiesTest, AMemberThatIsNullReadsAsOneThatIsAbsent) {
  const std::pair<json, Read> documents[] = {
      {SomeManifest(), ReadManifest}, {SomeIndex(), ReadIndex}, {SomeConfig(), ReadConfig}};
  for (const auto& [document, read] : documents) {
    std::vector<json::json_pointer> objects;
    std::vector<json::json_pointer> maps;
    Objects(document, json::json_pointer(), objects, maps);
    objects.insert(objects.end(), maps.begin(), maps.end());
    for (const auto& at : objects) {
      for (const auto& [name, value] : document.at(at).items()) {
        json null = document;
        null[at][name] = nullptr;
        json absent = document;
        absent[at].erase(name);
        EXPECT_EQ(read(null.dump()), read(absent.dump())) << (at / name).to_string();
      }
    }
  }
}

TEST(DocumentPropertiesTest, TheSameGoesForDockersArchives) {
  const auto read = [](const std::string& text) {
    const auto images = DecodeDockerArchiveManifest(text);
    if (!images.ok()) return images.error().message();
    std::string all;
    for (const auto& image : *images) {
      all += image.config + ";";
      for (const auto& layer : image.layers) all += layer + ",";
      for (const auto& tag : image.repo_tags) all += tag + " ";
    }
    return all;
  };
  const json image = {{"Config", "c.json"}, {"RepoTags", {"a:1"}}, {"Layers", {"l"}}};
  const std::string before = read(json::array({image}).dump());
  for (const char* name : {"Parent", "LayerSources", "x-unknown"}) {
    for (const json& value : {json(nullptr), json::object(), json(1)}) {
      json changed = image;
      changed[name] = value;
      EXPECT_EQ(read(json::array({changed}).dump()), before) << name;
    }
  }
  for (const char* name : {"Config", "RepoTags", "Layers"}) {
    json null = image;
    null[name] = nullptr;
    json absent = image;
    absent.erase(name);
    EXPECT_EQ(read(json::array({null}).dump()), read(json::array({absent}).dump())) << name;
  }
  EXPECT_EQ(read(json::array({nullptr, image}).dump()), before);
}

}  // namespace
}  // namespace locket::image
