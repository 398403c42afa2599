#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/clock.h"
#include "cli/check_image.h"
#include "cli/commands.h"
#include "cli/image_access.h"
#include "cli/key.h"
#include "cli/layer_selection.h"
#include "cli/seal_image.h"
#include "cli/stop_on_signal.h"

namespace locket::cli {
namespace {

struct SealOptions {
  std::string source;
  std::string target;
  std::string encrypt = "all";
  std::string base;
  std::string kek_file;
  std::string key_id;
  ImageAccessOptions access;
  bool json = false;
};

struct LookOptions {
  std::string image;
  std::string kek_file;
  ImageAccessOptions access;
  bool json = false;
};

Error Usage(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

void AddAccess(CLI::App& command, ImageAccessOptions& access) {
  command.add_option(
      "--platform", access.platform,
      "Which image of an index, OS/ARCHITECTURE[/VARIANT] (default: this machine's)");
  command.add_option("--tmp", access.temporary_directory, "Directory for one layer at a time")
      ->capture_default_str();
  command.add_option("--creds-file", access.creds_file,
                     "Registry credentials (default: docker's and podman's)");
  command.add_option("--hosts-dir", access.hosts_dir, "Directory of containerd's hosts.toml files")
      ->capture_default_str();
}

constexpr const char* kSourceHelp =
    "Registry reference, oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE";

Status CheckSeal(const SealOptions& options) {
  LOCKET_TRY(image::ParseImageLocation(options.source).While("SOURCE"));
  LOCKET_TRY_ASSIGN(const auto target, image::ParseImageLocation(options.target).While("TARGET"));
  if (target.transport == image::Transport::kOciLayout && target.tag.empty()) {
    return Usage("TARGET '" + options.target + "': name a tag, oci:DIR:TAG");
  }
  if (!options.base.empty()) LOCKET_TRY(image::ParseImageLocation(options.base).While("--base"));
  LOCKET_TRY_ASSIGN(const auto encrypt,
                    LayerSelection::FromText(options.encrypt).While("--encrypt-layers"));
  if (options.kek_file.empty() != options.key_id.empty()) {
    return Usage("--kek and --key-id go together: the key, and where the broker keeps it");
  }
  if (!options.key_id.empty()) {
    LOCKET_TRY(image::ResourceId::FromText(options.key_id).While("--key-id"));
  }
  // With --base the image itself says whether anything is left to encrypt.
  if (!encrypt.none() && options.kek_file.empty() && options.base.empty()) {
    return Usage("encrypting needs --kek and --key-id; or say --encrypt-layers none");
  }
  if (!options.access.platform.empty()) {
    LOCKET_TRY(ParsePlatform(options.access.platform).While("--platform"));
  }
  return Ok();
}

Result<std::set<image::Digest>> BaseDiffIds(ImageAccess& access, const std::string& base) {
  if (base.empty()) return std::set<image::Digest>{};
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(base));
  LOCKET_TRY_ASSIGN(const auto source, access.OpenSource(location));
  return DiffIds(*source);
}

Result<int> Seal(const SealOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(auto encrypt, LayerSelection::FromText(options.encrypt));
  SealImageOptions seal{.encrypt = std::move(encrypt),
                        .temporary_directory = options.access.temporary_directory,
                        .stop = stop->token()};
  if (!options.kek_file.empty()) {
    LOCKET_TRY_ASSIGN(Secret kek, ReadKeyFile(options.kek_file));
    seal.kek.emplace(std::move(kek));
    LOCKET_TRY_ASSIGN(seal.key_id, image::ResourceId::FromText(options.key_id));
  }
  LOCKET_TRY_ASSIGN(const auto access, ImageAccess::Create(options.access, stop->token()));
  LOCKET_TRY_ASSIGN(
      seal.base_diff_ids,
      BaseDiffIds(*access, options.base).While("read base image '" + options.base + "'"));
  const std::string doing = "seal '" + options.source + "'";
  LOCKET_TRY_ASSIGN(const auto from, image::ParseImageLocation(options.source));
  LOCKET_TRY_ASSIGN(const auto to, image::ParseImageLocation(options.target));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenSource(from).While(doing));
  LOCKET_TRY_ASSIGN(const auto target,
                    access->OpenTarget(to).While("open target '" + options.target + "'"));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto report, SealImage(*source, *target, seal, progress).While(doing));
  context.out << DescribeSealed(options.target, report, options.json);
  return 0;
}

Result<int> Inspect(const LookOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const auto access, ImageAccess::Create(options.access, stop->token()));
  const std::string doing = "inspect '" + options.image + "'";
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenSource(location).While(doing));
  LOCKET_TRY_ASSIGN(const auto documents, ReadDocuments(*source).While(doing));
  LOCKET_TRY_ASSIGN(const std::string text,
                    DescribeImage(options.image, documents, options.json).While(doing));
  context.out << text;
  return 0;
}

Result<int> Verify(const LookOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const auto access, ImageAccess::Create(options.access, stop->token()));
  const std::string doing = "verify '" + options.image + "'";
  std::optional<Secret> kek;
  if (!options.kek_file.empty()) {
    LOCKET_TRY_ASSIGN(Secret key, ReadKeyFile(options.kek_file));
    kek.emplace(std::move(key));
  }
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenSource(location).While(doing));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY(VerifyImage(*source,
                         {.kek = kek ? &*kek : nullptr,
                          .temporary_directory = options.access.temporary_directory,
                          .stop = stop->token()},
                         progress)
                 .While(doing));
  context.out << options.image << " is sound\n";
  return 0;
}

void AddSeal(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* seal = group.add_subcommand("seal", "Seal an image and push it");
  seal->footer(
      "Prints the digest of the sealed image's manifest.\n\nExamples:\n  locket image seal "
      "oci:app:latest registry.example/app:1 --base oci:app:base --kek kek.bin --key-id "
      "kbs:///team/key/app\n  locket image seal registry.example/tool:1 "
      "registry.example/tool:1-sealed --encrypt-layers none\n  locket image seal "
      "docker-archive:app.tar oci:sealed:app --encrypt-layers -1 --kek kek.bin --key-id "
      "kbs:///team/key/app --json");
  auto options = std::make_shared<SealOptions>();
  seal->add_option("SOURCE", options->source, kSourceHelp)->required();
  seal->add_option("TARGET", options->target, "Registry reference or oci:DIR:TAG")->required();
  seal->add_option("--encrypt-layers", options->encrypt,
                   "all, none, or numbers and ranges: 0 is the bottom, -1 the top, 1.. the rest")
      ->capture_default_str();
  seal->add_option("--base", options->base,
                   "Image whose layers are public: those it shares are verify-only");
  seal->add_option("--kek", options->kek_file, "File with the key encryption key, 32 bytes");
  seal->add_option("--key-id", options->key_id, "Where the broker keeps it, kbs:///repo/type/tag");
  AddAccess(*seal, options->access);
  seal->add_flag("--json", options->json, "Print everything about the result as JSON");
  seal->callback([&context, &selected, options] {
    selected.check = [options] { return CheckSeal(*options); };
    selected.run = [&context, options] { return Seal(*options, context); };
  });
}

Status CheckLook(const LookOptions& options) {
  LOCKET_TRY(image::ParseImageLocation(options.image).While("IMAGE"));
  if (!options.access.platform.empty()) {
    LOCKET_TRY(ParsePlatform(options.access.platform).While("--platform"));
  }
  return Ok();
}

void AddInspect(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* inspect = group.add_subcommand("inspect", "Say what an image is");
  inspect->footer(
      "Examples:\n  locket image inspect registry.example/app:1\n  locket image inspect "
      "oci:sealed:app --json | jq -r '.layers[].root_hash'");
  auto options = std::make_shared<LookOptions>();
  inspect->add_option("IMAGE", options->image, kSourceHelp)->required();
  AddAccess(*inspect, options->access);
  inspect->add_flag("--json", options->json, "Print JSON");
  inspect->callback([&context, &selected, options] {
    selected.check = [options] { return CheckLook(*options); };
    selected.run = [&context, options] { return Inspect(*options, context); };
  });
}

void AddVerify(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* verify = group.add_subcommand("verify", "Check every byte of a sealed image");
  verify->footer(
      "Examples:\n  locket image verify registry.example/app:1\n  locket image verify "
      "registry.example/app:1 --kek kek.bin");
  auto options = std::make_shared<LookOptions>();
  verify->add_option("IMAGE", options->image, kSourceHelp)->required();
  verify->add_option("--kek", options->kek_file, "Key encryption key: also open the key packets");
  AddAccess(*verify, options->access);
  verify->callback([&context, &selected, options] {
    selected.check = [options] { return CheckLook(*options); };
    selected.run = [&context, options] { return Verify(*options, context); };
  });
}

}  // namespace

void AddImageCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("image", "Seal and check images");
  group->require_subcommand(1);
  AddSeal(*group, context, selected);
  AddInspect(*group, context, selected);
  AddVerify(*group, context, selected);
}

}  // namespace locket::cli
