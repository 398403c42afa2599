#include "cli/image/seal_image.h"

#include <utility>

#include "base/file.h"
#include "cli/parallel.h"
#include "image/oci/media_type.h"
#include "image/seal/seal_layer.h"
#include "image/sealed/convergent_key.h"
#include "image/sealed/seal_documents.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

Result<std::vector<bool>> Plan(const ImageDocuments& image, const SealImageOptions& options) {
  LOCKET_TRY_ASSIGN(auto encrypt, options.encrypt.For(image.manifest.layers.size()));
  bool any = false;
  for (size_t i = 0; i < encrypt.size(); ++i) {
    if (options.base_diff_ids.contains(image.config.diff_ids[i])) encrypt[i] = false;
    any = any || encrypt[i];
  }
  if (any && (!options.kek || !options.key_id)) {
    return Error(ErrorCode::kInvalidArgument,
                 "encrypting a layer needs --kek and --key-id; --encrypt-layers none seals without "
                 "encryption");
  }
  return encrypt;
}

// Seals and pushes one layer after another.
class Sealer {
 public:
  Sealer(image::ImageSource& source, image::ImageTarget& target, const SealImageOptions& options,
         Progress& progress, const std::filesystem::path& directory)
      : source_(source),
        target_(target),
        options_(options),
        progress_(progress),
        directory_(directory) {}

  // Layers come from the bottom up. `step` names the one in messages.
  Result<SealedLayerReport> Layer(const ImageDocuments& image, size_t index, bool encrypt,
                                  const std::string& step) {
    const image::Descriptor& layer = image.manifest.layers[index];
    const image::Digest& diff_id = image.config.diff_ids[index];
    progress_.Start("seal " + step, layer.size);
    LOCKET_TRY_ASSIGN(const auto blob, source_.OpenBlob(layer));
    const auto read = [&](std::span<std::byte> out) -> Result<size_t> {
      if (options_.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted");
      return blob->Read(out);
    };
    const auto path = directory_ / std::to_string(number_++);
    LOCKET_TRY_ASSIGN(const auto given, GivenKey(encrypt, diff_id));
    const image::SealLayerOptions how{.encrypt = encrypt,
                                      .given_key = given ? &*given : nullptr,
                                      .compress = options_.compress,
                                      .durable = false,
                                      .on_progress = [&](uint64_t done) { progress_.Update(done); },
                                      .lower = &lower_,
                                      .is_top = index + 1 == image.manifest.layers.size()};
    LOCKET_TRY_ASSIGN(image::SealedLayer sealed, image::SealLayer(how, read, path));
    if (sealed.diff_id != diff_id.ToText()) {
      return Error(ErrorCode::kDataLoss,
                   "its tar is " + sealed.diff_id + ", not the config's " + diff_id.ToText());
    }
    accounts_.AddLayer(sealed.accounts);
    LOCKET_TRY_ASSIGN(const image::Descriptor descriptor, Describe(sealed));
    LOCKET_TRY(Push(descriptor, path, step));
    progress_.Finish((encrypt ? "encrypted, " : "verify-only, ") + HumanBytes(descriptor.size));
    return SealedLayerReport{.source_diff_id = diff_id,
                             .descriptor = descriptor,
                             .ignored_xattrs = sealed.ignored_xattrs};
  }

  Status FinishPushing() { return uploads_.Finish(); }

  Result<std::string> User(const std::string& user) const { return accounts_.Resolve(user); }

 private:
  // The diff ID is the config's word; that it is the tar's is checked once the tar was read.
  Result<std::optional<image::ConvergentKey>> GivenKey(bool encrypt,
                                                       const image::Digest& diff_id) const {
    std::optional<image::ConvergentKey> given;
    if (encrypt && options_.convergent_secret) {
      LOCKET_TRY_ASSIGN(auto key, image::DeriveConvergentKey(*options_.convergent_secret, diff_id));
      given.emplace(std::move(key));
    }
    return given;
  }

  Result<image::Descriptor> Describe(image::SealedLayer& sealed) const {
    image::SealedLayerInfo info{.identity = {.root_hash = sealed.root_hash,
                                             .salt = sealed.salt,
                                             .data_size = sealed.data_size}};
    if (sealed.key) {
      const image::LayerKey key{.key = std::move(*sealed.key), .identity = info.identity};
      LOCKET_TRY_ASSIGN(const auto packet,
                        image::WrapLayerKey(*options_.kek, *options_.key_id, key));
      info.key_packet = image::EncodeKeyPacket(packet);
    }
    LOCKET_TRY_ASSIGN(const auto digest, image::Digest::FromText(sealed.blob_digest));
    return image::SealedLayerDescriptor(info, digest);
  }

  // Beside the sealing of the next layer, which has a file of its own.
  Status Push(const image::Descriptor& descriptor, const std::filesystem::path& path,
              const std::string& step) {
    return uploads_.Start([this, descriptor, path, step] {
      return target_.TakeBlob(descriptor, path)
          .While(step + ": push " + descriptor.digest.ToText());
    });
  }

  image::ImageSource& source_;
  image::ImageTarget& target_;
  const SealImageOptions& options_;
  Progress& progress_;
  const std::filesystem::path directory_;
  int number_ = 0;  // of the next layer: one tar may stand in an image twice
  image::ImageAccounts accounts_;
  erofs::LowerDirectories lower_;  // of the layers sealed so far
  Background uploads_{1};          // last: its jobs use the rest
};

enum class Name { kGiven, kNone };

Status PushManifest(const std::string& bytes, Name name, image::ImageTarget& target,
                    SealImageReport& report) {
  if (name == Name::kGiven) {
    LOCKET_TRY_ASSIGN(report.manifest, target.PutManifest(image::kOciManifest, bytes));
    return Ok();
  }
  report.manifest = image::DescriptorOf(image::kOciManifest, bytes);
  return target.PutNested(report.manifest, bytes);
}

Status PushDocuments(const ImageDocuments& image, Name name, image::ImageTarget& target,
                     SealImageReport& report) {
  std::vector<image::Descriptor> layers;
  for (const auto& layer : report.layers) layers.push_back(layer.descriptor);
  LOCKET_TRY_ASSIGN(const auto documents,
                    image::MakeSealedDocuments(image.manifest, image.config, layers, report.user));
  report.config = documents.config;
  LOCKET_TRY(target.PutBlobBytes(report.config, documents.config_bytes).While("push the config"));
  return PushManifest(documents.manifest_bytes, name, target, report).While("push the manifest");
}

Result<SealImageReport> Seal(image::ImageSource& source, const ImageDocuments& image, Name name,
                             image::ImageTarget& target, const SealImageOptions& options,
                             Progress& progress) {
  LOCKET_TRY(image::CheckCanBeSealed(image.manifest, image.config));
  LOCKET_TRY_ASSIGN(const auto encrypt, Plan(image, options));
  LOCKET_TRY_ASSIGN(const TempDir directory,
                    TempDir::Create(options.temporary_directory, "locket-seal-"));
  Sealer sealer(source, target, options, progress, directory.path());
  SealImageReport report{.manifest = image.content.descriptor,
                         .config = image.manifest.config,
                         .user = "",
                         .layers = {}};
  const size_t count = image.manifest.layers.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string step = "layer " + std::to_string(i + 1) + " of " + std::to_string(count);
    auto layer = sealer.Layer(image, i, encrypt[i], step);
    if (!layer.ok()) progress.Clear();
    LOCKET_TRY_ASSIGN(auto sealed, std::move(layer).While(step));
    report.layers.push_back(std::move(sealed));
  }
  progress.Start("push the last layer", /*total=*/0);
  progress.Update(0);
  auto pushed = sealer.FinishPushing();
  progress.Clear();
  LOCKET_TRY(std::move(pushed));
  LOCKET_TRY_ASSIGN(report.user, sealer.User(image.config.user).While("resolve USER"));
  LOCKET_TRY(PushDocuments(image, name, target, report));
  return report;
}

}  // namespace

Result<ImageDocuments> ReadDocuments(image::ImageSource& source) {
  LOCKET_TRY_ASSIGN(auto content, source.GetManifest());
  return ReadDocuments(source, std::move(content));
}

Result<ImageDocuments> ReadDocuments(image::ImageSource& source, image::ManifestContent content) {
  LOCKET_TRY_ASSIGN(auto manifest, image::DecodeManifest(content.bytes).While("manifest"));
  if (!image::IsConfig(manifest.config.media_type)) {
    return Error(ErrorCode::kFailedPrecondition,
                 "it is an artifact, not an image: its config is '" + manifest.config.media_type +
                     "'; artifacts can be copied, signed and verified");
  }
  LOCKET_TRY_ASSIGN(
      const std::string bytes,
      image::ReadBlob(source, manifest.config, image::kMaxConfigBytes).While("config"));
  LOCKET_TRY_ASSIGN(auto config, image::DecodeImageConfig(bytes).While("config"));
  return ImageDocuments{
      .content = std::move(content), .manifest = std::move(manifest), .config = std::move(config)};
}

Result<SealImageReport> SealImage(image::ImageSource& source, image::ImageTarget& target,
                                  const SealImageOptions& options, Progress& progress) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadDocuments(source));
  return Seal(source, image, Name::kGiven, target, options, progress);
}

Result<SealImageReport> SealNestedImage(image::ImageSource& source, const ImageDocuments& image,
                                        image::ImageTarget& target, const SealImageOptions& options,
                                        Progress& progress) {
  return Seal(source, image, Name::kNone, target, options, progress);
}

}  // namespace locket::cli
