#include "tests/guest-agent/sealed_fixture.h"

#include <fcntl.h>

#include <algorithm>
#include <sstream>

#include "base/file.h"
#include "base/subprocess.h"
#include "image/oci/media_type.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/key_packet.h"
#include "initdata/initdata.h"

namespace locket::guest_agent {
namespace {

constexpr const char* kPrograms[] = {"/bin/sh",       "/bin/cat",   "/bin/echo",   "/bin/sleep",
                                     "/bin/ls",       "/bin/mount", "/usr/bin/id", "/usr/bin/env",
                                     "/bin/mkdir",    "/bin/touch", "/bin/uname",  "/usr/bin/head",
                                     "/bin/hostname", "/bin/mknod", "/bin/stty",   "/bin/sync"};

Status CopyInto(const std::filesystem::path& root, const std::filesystem::path& file) {
  std::error_code error;
  const auto target = root / file.relative_path();
  std::filesystem::create_directories(target.parent_path(), error);
  // Follows links: /bin and /lib are links on this machine and directories in the image.
  std::filesystem::copy_file(file, target, std::filesystem::copy_options::skip_existing, error);
  if (error) return Error::FromErrno(error.value(), "copy '" + file.string() + "'");
  return Ok();
}

Status CopyWithLibraries(const std::filesystem::path& root, const std::string& program) {
  LOCKET_TRY(CopyInto(root, program));
  LOCKET_TRY_ASSIGN(const auto ldd, RunCommand({"ldd", program}));
  std::istringstream words(ldd.standard_output);
  for (std::string word; words >> word;) {
    if (word.starts_with('/')) LOCKET_TRY(CopyInto(root, word));
  }
  return Ok();
}

}  // namespace

Status CopyShellTree(const std::filesystem::path& root) {
  for (const char* program : kPrograms) LOCKET_TRY(CopyWithLibraries(root, program));
  return Ok();
}

Result<FixtureLayer> SealTree(const std::filesystem::path& tree, const std::filesystem::path& blob,
                              const Secret* kek) {
  const auto tar = blob.string() + ".tar";
  LOCKET_TRY_ASSIGN(const auto packed,
                    RunCommand({"tar", "--numeric-owner", "--owner=0", "--group=0", "--sort=name",
                                "-C", tree.string(), "-cf", tar, "."}));
  if (packed.exit_status != 0) return Error(ErrorCode::kInternal, packed.standard_error);
  LOCKET_TRY_ASSIGN(const UniqueFd source, OpenFile(tar, O_RDONLY));
  LOCKET_TRY_ASSIGN(auto sealed, image::SealLayer(
                                     {.encrypt = kek != nullptr},
                                     [&](std::span<std::byte> out) -> Result<size_t> {
                                       const ssize_t got =
                                           ::read(source.get(), out.data(), out.size());
                                       if (got < 0) return Error::FromErrno(errno, "read tar");
                                       return static_cast<size_t>(got);
                                     },
                                     blob));
  std::filesystem::remove(tar);
  image::SealedLayerInfo info{.identity = {.root_hash = sealed.root_hash,
                                           .salt = sealed.salt,
                                           .data_size = sealed.data_size}};
  if (kek != nullptr) {
    LOCKET_TRY_ASSIGN(const auto kid, ResourceName::FromUri("kbs:///test/key/one"));
    LOCKET_TRY_ASSIGN(
        const auto packet,
        image::WrapLayerKey(*kek, kid, {.key = std::move(*sealed.key), .identity = info.identity}));
    info.key_packet = image::EncodeKeyPacket(packet);
  }
  LOCKET_TRY_ASSIGN(const auto digest, image::Digest::FromText(sealed.blob_digest));
  LOCKET_TRY_ASSIGN(auto descriptor, image::SealedLayerDescriptor(info, digest));
  return FixtureLayer{.blob = blob, .descriptor = std::move(descriptor), .info = std::move(info)};
}

FixtureImage MakeImage(std::vector<FixtureLayer> layers, const FixtureProcess& process) {
  image::ImageConfig config{.architecture = "amd64", .os = "linux", .diff_ids = {}};
  config.user = process.user;
  config.env = process.env;
  config.entrypoint = process.argv;
  std::vector<image::Descriptor> descriptors;
  for (const FixtureLayer& layer : layers) {
    config.diff_ids.push_back(layer.descriptor.digest);
    descriptors.push_back(layer.descriptor);
  }
  std::string config_text = image::EncodeImageConfig(config);
  const image::Manifest manifest{.media_type = std::string(image::kOciManifest),
                                 .config = image::DescriptorOf(image::kOciConfig, config_text),
                                 .layers = std::move(descriptors),
                                 .annotations = {{std::string(image::kVersionAnnotation), "1"}}};
  return {.manifest = image::EncodeManifest(manifest),
          .config = std::move(config_text),
          .layers = std::move(layers)};
}

std::string PinningInitdata(const std::vector<std::string>& digests,
                            const std::string& agent_lines) {
  std::string policy = "[image]\nallowed_digests = [";
  for (const auto& digest : digests) policy += "\"" + digest + "\",";
  policy += "]\n[agent]\n" + agent_lines;
  return initdata::EncodeInitdata({.data = {{std::string(initdata::kPolicyKey), policy}}});
}

Status ExtendInitrd(const std::filesystem::path& initrd, const std::filesystem::path& tree,
                    const std::filesystem::path& out) {
  LOCKET_TRY_ASSIGN(std::string all, ReadFile(initrd, 256 << 20));
  all.resize((all.size() + 511) / 512 * 512);  // archives begin at multiples of 4
  std::string names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree)) {
    names += std::filesystem::relative(entry.path(), tree).string() + "\n";
  }
  LOCKET_TRY_ASSIGN(const auto packed,
                    RunCommand({"cpio", "--quiet", "-o", "-H", "newc", "-D", tree.string()},
                               {.input = names, .max_output_bytes = 256 << 20}));
  if (packed.exit_status != 0) return Error(ErrorCode::kInternal, packed.standard_error);
  return ReplaceFileDurably(out, all + packed.standard_output);
}

Status FlipByte(const std::filesystem::path& file, uint64_t offset) {
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(file, O_RDWR));
  std::byte byte{};
  LOCKET_TRY(PreadFull(fd.get(), std::span(&byte, 1), offset));
  byte ^= std::byte{1};
  return PwriteFull(fd.get(), std::span<const std::byte>(&byte, 1), offset);
}

}  // namespace locket::guest_agent
