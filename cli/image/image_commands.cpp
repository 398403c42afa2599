#include "cli/image/image_commands.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/clock.h"
#include "base/file.h"
#include "cli/image/check_image.h"
#include "cli/image/image_access.h"
#include "cli/image/layer_selection.h"
#include "cli/image/seal_image.h"
#include "cli/image/sign_image.h"
#include "cli/key.h"
#include "cli/stop_on_signal.h"
#include "image/oci/media_type.h"

namespace locket::cli {
namespace {

constexpr size_t kMaxPublicKeyBytes = 64U << 10;

struct SealOptions {
  std::string source;
  std::string target;
  std::string encrypt = "all";
  std::string base;
  std::string kek_file;
  std::string key_id;
  std::string key_mode = "random";
  std::string convergent_secret_file;
  std::string compress = "none";
  bool all_platforms = false;
  ImageAccessOptions access;
  bool json = false;
};

struct LookOptions {
  std::string image;
  std::string kek_file;
  std::vector<std::string> signed_by;
  ImageAccessOptions access;
  bool json = false;
};

Status CheckKeyMode(const SealOptions& options) {
  if (options.key_mode != "random" && options.key_mode != "convergent") {
    return Usage("--key-mode '" + options.key_mode + "': must be random or convergent");
  }
  if ((options.key_mode == "convergent") == options.convergent_secret_file.empty()) {
    return Usage(
        "--key-mode convergent and --convergent-secret need each other: give both or neither");
  }
  return Ok();
}

Status CheckCompress(const SealOptions& options) {
  if (options.compress != "none" && options.compress != "lz4") {
    return Usage("--compress '" + options.compress + "': must be none or lz4");
  }
  // Another liblz4 makes another image, which must not be encrypted with the same key.
  if (options.compress != "none" && options.key_mode == "convergent") {
    return Usage("--compress cannot be used with --key-mode convergent");
  }
  return Ok();
}

Status CheckSeal(const SealOptions& options) {
  LOCKET_TRY(image::ParseImageLocation(options.source).While("SOURCE"));
  LOCKET_TRY(CheckTargetName(options.target));
  if (!options.base.empty()) LOCKET_TRY(image::ParseImageLocation(options.base).While("--base"));
  LOCKET_TRY_ASSIGN(const auto encrypt,
                    LayerSelection::FromText(options.encrypt).While("--encrypt-layers"));
  if (options.kek_file.empty() != options.key_id.empty()) {
    return Usage("--kek and --key-id need each other: the key, and the broker's resource for it");
  }
  if (!options.key_id.empty()) {
    LOCKET_TRY(ResourceName::FromUri(options.key_id).While("--key-id"));
  }
  LOCKET_TRY(CheckKeyMode(options));
  LOCKET_TRY(CheckCompress(options));
  if (options.all_platforms && !options.access.platform.empty()) {
    return Usage("--all-platforms cannot be used with --platform");
  }
  if (encrypt.none() && (!options.kek_file.empty() || options.key_mode != "random")) {
    return Usage("--encrypt-layers none encrypts nothing: leave out --kek and --key-mode");
  }
  // With --base the image itself says whether anything is left to encrypt.
  if (!encrypt.none() && options.kek_file.empty() && options.base.empty()) {
    return Usage(
        "encrypting needs --kek and --key-id; --encrypt-layers none seals without encryption");
  }
  return CheckAccess(options.access);
}

Result<std::set<image::Digest>> BaseDiffIds(ImageAccess& access, const SealOptions& options) {
  if (options.base.empty()) return std::set<image::Digest>{};
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.base));
  LOCKET_TRY_ASSIGN(const auto source, access.OpenSource(location));
  return options.all_platforms ? DiffIdsOfAll(*source) : DiffIds(*source);
}

// What is to be done, with the keys for it.
Result<SealImageOptions> ReadSealOptions(const SealOptions& options, std::stop_token stop) {
  LOCKET_TRY_ASSIGN(auto encrypt, LayerSelection::FromText(options.encrypt));
  SealImageOptions seal{.encrypt = std::move(encrypt),
                        .compress = options.compress == "lz4",
                        .temporary_directory = options.access.temporary_directory,
                        .stop = std::move(stop)};
  if (!options.kek_file.empty()) {
    LOCKET_TRY_ASSIGN(Secret kek, ReadKeyFile(options.kek_file));
    seal.kek.emplace(std::move(kek));
    LOCKET_TRY_ASSIGN(seal.key_id, ResourceName::FromUri(options.key_id));
  }
  if (!options.convergent_secret_file.empty()) {
    LOCKET_TRY_ASSIGN(Secret secret,
                      ReadKeyFile(options.convergent_secret_file).While("--convergent-secret"));
    seal.convergent_secret.emplace(std::move(secret));
  }
  return seal;
}

Result<int> Seal(const SealOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(SealImageOptions seal, ReadSealOptions(options, stop->token()));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  LOCKET_TRY_ASSIGN(seal.base_diff_ids,
                    BaseDiffIds(*access, options).While("read base image '" + options.base + "'"));
  const std::string doing = "seal '" + options.source + "'";
  LOCKET_TRY_ASSIGN(const auto from, image::ParseImageLocation(options.source));
  LOCKET_TRY_ASSIGN(const auto to, image::ParseImageLocation(options.target));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(from).While(doing));
  LOCKET_TRY_ASSIGN(const auto target, access->OpenTarget(to, {.stream = StreamTo(context)})
                                           .While("open target '" + options.target + "'"));
  std::ostream& out = options.target == "-" ? context.err : context.out;
  if (options.all_platforms) {
    LOCKET_TRY_ASSIGN(const auto report, SealIndex(*source, *target, seal, progress).While(doing));
    out << DescribeSealed(options.target, report, options.json);
    return 0;
  }
  LOCKET_TRY_ASSIGN(const auto report, SealImage(*source, *target, seal, progress).While(doing));
  out << DescribeSealed(options.target, report, options.json);
  return 0;
}

Result<int> Inspect(const LookOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const auto access, ImageAccess::Create(options.access, stop->token()));
  const std::string doing = "inspect '" + options.image + "'";
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(location).While(doing));
  LOCKET_TRY_ASSIGN(auto content, source->GetManifest().While(doing));
  LOCKET_TRY_ASSIGN(const auto manifest, image::DecodeManifest(content.bytes).While(doing));
  if (!image::IsConfig(manifest.config.media_type)) {
    context.out << DescribeArtifact(options.image, content, manifest, options.json);
    return 0;
  }
  LOCKET_TRY_ASSIGN(const auto documents, ReadDocuments(*source, std::move(content)).While(doing));
  LOCKET_TRY_ASSIGN(const std::string text,
                    DescribeImage(options.image, documents, options.json).While(doing));
  context.out << text;
  return 0;
}

// Each of the keys must have signed.
Status CheckSigners(ImageAccess& access, const image::ImageLocation& location,
                    image::ImageSource& source, const std::vector<std::string>& keys) {
  for (const auto& file : keys) {
    LOCKET_TRY_ASSIGN(const std::string pem, ReadFile(file, kMaxPublicKeyBytes));
    LOCKET_TRY_ASSIGN(const auto key, image::PublicKey::FromPem(pem).While("'" + file + "'"));
    LOCKET_TRY(CheckSignedBy(access, location, source, key).While("signed by '" + file + "'"));
  }
  return Ok();
}

Result<int> Verify(const LookOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  const std::string doing = "verify '" + options.image + "'";
  LOCKET_TRY_ASSIGN(const auto kek, ReadOptionalKey(options.kek_file));
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(location).While(doing));
  LOCKET_TRY(CheckSigners(*access, location, *source, options.signed_by).While(doing));
  LOCKET_TRY(VerifyImage(*source,
                         {.kek = kek ? &*kek : nullptr,
                          .ordinary_too = !options.signed_by.empty(),
                          .temporary_directory = options.access.temporary_directory,
                          .stop = stop->token()},
                         progress)
                 .While(doing));
  context.out << options.image << " is sound\n";
  return 0;
}

void AddSealOptions(CLI::App& seal, SealOptions& options) {
  seal.add_option("--encrypt-layers", options.encrypt,
                  "Layers to encrypt: all, none, or numbers and ranges separated by commas. 0 is "
                  "the bottom layer, -1 the top, 1.. all but the bottom. The host can read layers "
                  "that are not encrypted, but not change them unnoticed")
      ->type_name("LAYERS")
      ->capture_default_str();
  seal.add_option("--base", options.base,
                  "Image whose layers are public. Layers that SOURCE shares with it are not "
                  "encrypted")
      ->type_name("IMAGE");
  seal.add_option("--kek", options.kek_file,
                  "Key encryption key, a file of 32 bytes from 'locket key create'. Needed if any "
                  "layer is encrypted")
      ->type_name("FILE");
  seal.add_option("--key-id", options.key_id,
                  "Resource under which the broker stores the key encryption key, "
                  "kbs:///repo/type/tag. Needed if any layer is encrypted")
      ->type_name("URI");
  seal.add_option(
          "--key-mode", options.key_mode,
          "How layer keys are made. random: a new key for each layer. convergent: keys are derived "
          "from --convergent-secret and the layer. The same layer then always gives the same blob, "
          "and anybody who sees two blobs can tell that they are equal")
      ->type_name("MODE")
      ->capture_default_str();
  seal.add_option("--convergent-secret", options.convergent_secret_file,
                  "Secret for --key-mode convergent, and needed for it: a file of 32 bytes, from "
                  "'locket key create'. Protect it like a key encryption key")
      ->type_name("FILE");
  seal.add_option(
          "--compress", options.compress,
          "How files are compressed before a layer is encrypted: none or lz4. An encrypted layer "
          "cannot be compressed afterwards. lz4 cannot be used with --key-mode convergent")
      ->type_name("METHOD")
      ->capture_default_str();
  seal.add_flag("--all-platforms", options.all_platforms,
                "Seal every image of an index and push an index (default: the image of --platform "
                "alone)");
}

void AddSeal(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* seal = group.add_subcommand("seal", "Seal an image and push it");
  seal->footer(
      "Prints the manifest digest of the sealed image. Pass it to 'locket initdata create "
      "--allow-digest'.\n\n"
      "Examples:\n"
      "  locket image seal oci:app:latest registry.example/app:1 \\\n"
      "    --base oci:app:base --kek kek.bin --key-id kbs:///team/key/app\n"
      "  locket image seal registry.example/tool:1 registry.example/tool:1-sealed \\\n"
      "    --encrypt-layers none\n"
      "  locket image seal docker-archive:app.tar oci:sealed:app \\\n"
      "    --encrypt-layers -1 --kek kek.bin --key-id kbs:///team/key/app --json");
  auto options = std::make_shared<SealOptions>();
  AddSource(*seal, "SOURCE", options->source);
  AddTarget(*seal, options->target);
  AddSealOptions(*seal, *options);
  AddAccess(*seal, options->access);
  seal->add_flag("--json", options->json,
                 "Print digests, keys and root hashes of the sealed image as JSON");
  seal->callback([&context, &selected, options] {
    selected.check = [options] { return CheckSeal(*options); };
    selected.run = [&context, options] { return Seal(*options, context); };
  });
}

Status CheckLook(const LookOptions& options) {
  LOCKET_TRY(CheckImageName(options.image, "IMAGE"));
  return CheckAccess(options.access);
}

void AddInspect(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* inspect =
      group.add_subcommand("inspect", "Show digests, user, command and layers of an image");
  inspect->footer(
      "For a sealed image it shows which layers are encrypted, and under which key. Fails if the "
      "image claims to be sealed and breaks a rule of the format.\n\n"
      "Examples:\n"
      "  locket image inspect registry.example/app:1\n"
      "  locket image inspect oci:sealed:app --json | jq -r '.layers[].root_hash'");
  auto options = std::make_shared<LookOptions>();
  AddSource(*inspect, "IMAGE", options->image);
  AddAccess(*inspect, options->access);
  inspect->add_flag("--json", options->json, "Print JSON");
  inspect->callback([&context, &selected, options] {
    selected.check = [options] { return CheckLook(*options); };
    selected.run = [&context, options] { return Inspect(*options, context); };
  });
}

void AddVerify(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* verify =
      group.add_subcommand("verify", "Download a sealed image and check every byte of it");
  verify->footer(
      "Examples:\n"
      "  locket image verify registry.example/app:1\n"
      "  locket image verify registry.example/app:1 --kek kek.bin \\\n"
      "    --signed-by cosign.pub");
  auto options = std::make_shared<LookOptions>();
  AddSource(*verify, "IMAGE", options->image);
  verify
      ->add_option("--kek", options->kek_file,
                   "Key encryption key, a file of 32 bytes. Also check that every key packet opens "
                   "with it and belongs to its layer")
      ->type_name("FILE");
  verify
      ->add_option("--signed-by", options->signed_by,
                   "Public key in PEM that must have signed the image, or an index that names it; "
                   "repeatable. With this option the image does not have to be sealed")
      ->type_name("FILE")
      ->allow_extra_args(false);
  AddAccess(*verify, options->access);
  verify->callback([&context, &selected, options] {
    selected.check = [options] { return CheckLook(*options); };
    selected.run = [&context, options] { return Verify(*options, context); };
  });
}

}  // namespace

void AddImageCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("image", "Seal, check, sign, copy and compare images");
  group->require_subcommand(1);
  AddSeal(*group, context, selected);
  AddInspect(*group, context, selected);
  AddVerify(*group, context, selected);
  AddExtract(*group, context, selected);
  AddCopy(*group, context, selected);
  AddSign(*group, context, selected);
  AddDiff(*group, context, selected);
  AddMeasure(*group, context, selected);
}

}  // namespace locket::cli
