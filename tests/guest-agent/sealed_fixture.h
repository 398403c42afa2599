// Sealed images made on the spot, from real programs of this machine.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "image/oci/manifest.h"
#include "image/sealed/sealed_image.h"

namespace locket::guest_agent {

struct FixtureLayer {
  std::filesystem::path blob;
  image::Descriptor descriptor;
  image::SealedLayerInfo info;
};

struct FixtureImage {
  std::string manifest;
  std::string config;
  std::vector<FixtureLayer> layers;

  std::string manifest_digest() const { return image::Digest::Of(manifest).ToText(); }
};

// A root file system with a shell and a few tools, and the libraries they need.
Status CopyShellTree(const std::filesystem::path& root);

// Seals what is under `tree` into `blob`; `kek`, if given, wraps the key of an encrypted layer as
// kbs:///test/key/one.
Result<FixtureLayer> SealTree(const std::filesystem::path& tree, const std::filesystem::path& blob,
                              const Secret* kek = nullptr);

// An image of these layers whose process is `argv`, in `env`, as `user`.
struct FixtureProcess {
  std::vector<std::string> argv;
  std::vector<std::string> env{};
  std::string user = "0:0";
};
FixtureImage MakeImage(std::vector<FixtureLayer> layers, const FixtureProcess& process);

// Initdata that pins these images; with more lines for [agent].
std::string PinningInitdata(const std::vector<std::string>& digests,
                            const std::string& agent_lines = "");

// `initrd` with the files of `tree` laid over it: the kernel unpacks one archive after the other.
Status ExtendInitrd(const std::filesystem::path& initrd, const std::filesystem::path& tree,
                    const std::filesystem::path& out);

// Changes one byte of a file.
Status FlipByte(const std::filesystem::path& file, uint64_t offset);

}  // namespace locket::guest_agent
