// Ordinary images as builders make them: tars, packed in several ways.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"
#include "image/seal/convert_layer.h"
#include "image/sealed/seal_documents.h"
#include "tests/erofs/tar_maker.h"
#include "tests/snapshotter/image_fixture.h"

namespace locket::snapshotter {

struct OrdinaryLayer {
  std::string tar;
  std::string packed;  // the blob
  std::string_view media_type;
};

inline OrdinaryLayer Plain(const std::string& tar) {
  return {.tar = tar, .packed = tar, .media_type = image::kOciLayerTar};
}
inline OrdinaryLayer Gzip(const std::string& tar) {
  return {.tar = tar,
          .packed = RunCommand({"gzip", "-cn"}, {.input = tar})->standard_output,
          .media_type = image::kOciLayerGzip};
}
inline OrdinaryLayer Zstd(const std::string& tar) {
  return {.tar = tar,
          .packed = RunCommand({"zstd", "-cq"}, {.input = tar})->standard_output,
          .media_type = image::kOciLayerZstd};
}

inline TestImage MakeOrdinaryImage(const std::string& reference,
                                   const std::vector<OrdinaryLayer>& layers,
                                   const std::string& user = "") {
  TestImage made{.reference = reference};
  image::Manifest manifest = EmptyManifest();
  image::ImageConfig config{.architecture = "amd64", .os = "linux", .diff_ids = {}, .user = user};
  config.cmd = {"/bin/app"};
  for (const OrdinaryLayer& layer : layers) {
    AddLayer(made, manifest, image::DescriptorOf(layer.media_type, layer.packed), layer.packed);
    config.diff_ids.push_back(image::Digest::Of(layer.tar));
  }
  made.config = image::EncodeImageConfig(config);
  manifest.config = image::DescriptorOf(image::kOciConfig, made.config);
  made.manifest = image::EncodeManifest(manifest);
  for (const auto& id : image::ChainIds(config.diff_ids)) made.chain_ids.push_back(id.ToText());
  return made;
}

inline std::string BaseTar() {
  TarMaker tar;
  tar.Dir("etc")
      .File("etc/passwd", "root:x:0:0\napp:x:1000:1001\n")
      .File("etc/group", "app:x:7:\n");
  tar.File("bin/app", std::string(200'000, 'a')).HardLink("bin/link", "bin/app");
  return tar.Finish();
}
inline std::string TopTar(const std::string& content = "top") {
  TarMaker tar;
  tar.File("bin/.wh.link", "").File("data/.wh..wh..opq", "").File("data/file", content);
  return tar.Finish();
}
// Its top layer depends on the one below: it names neither the root nor /tmp, and
// deletes a file in a directory that is not there.
inline TestImage MakeDependentImage(const std::string& reference, uint32_t mode_of_tmp) {
  TarMaker base;
  base.Add({.name = "./", .type = '5', .mode = 0555, .uid = 3, .mtime = 7});
  base.Add({.name = "tmp/", .type = '5', .mode = mode_of_tmp, .uid = 1, .gid = 2, .mtime = 9});
  TarMaker top;
  top.File("tmp/x", "x").File("new/.wh.gone", "").File("new/y", "y");
  return MakeOrdinaryImage(reference, {Gzip(base.Finish()), Gzip(top.Finish())});
}
// Plain, gzip and zstd; whiteouts, a hard link, a named user.
inline TestImage MakeVariedImage(const std::string& reference, const std::string& user = "app") {
  return MakeOrdinaryImage(
      reference, {Gzip(BaseTar()), Zstd(TopTar()), Plain(TopTar("other")), Gzip(TopTar())}, user);
}

// What its sealed image is, made the straight way.
inline TestImage Sealed(const TestImage& ordinary, const std::string& user) {
  TestImage sealed{.reference = ordinary.reference};
  const auto manifest = image::DecodeManifest(ordinary.manifest);
  const auto config = image::DecodeImageConfig(ordinary.config);
  const TempDir temp = TempDir::Create("/tmp", "sealed-").value();
  std::vector<image::Descriptor> layers;
  erofs::LowerDirectories lower;
  for (size_t i = 0; i < ordinary.layers.size(); ++i) {
    std::span<const std::byte> rest = std::as_bytes(std::span(ordinary.layers[i]));
    const auto read = [&](std::span<std::byte> out) -> Result<size_t> {
      const size_t size = std::min(out.size(), rest.size());
      std::ranges::copy(rest.first(size), out.begin());
      rest = rest.subspan(size);
      return size;
    };
    const auto layer = image::SealLayer({.lower = &lower}, read, temp.path() / "layer");
    const image::SealedLayerInfo info{.identity = {.root_hash = layer->root_hash,
                                                   .salt = layer->salt,
                                                   .data_size = layer->data_size}};
    layers.push_back(
        *image::SealedLayerDescriptor(info, *image::Digest::FromText(layer->blob_digest)));
    sealed.layers.push_back(*ReadFile(temp.path() / "layer", 64U << 20));
    sealed.layer_digests.push_back(layer->blob_digest);
  }
  const auto made = image::MakeSealedDocuments(*manifest, *config, layers, user);
  sealed.manifest = made->manifest_bytes;
  sealed.config = made->config_bytes;
  sealed.chain_ids = ordinary.chain_ids;
  return sealed;
}

}  // namespace locket::snapshotter
