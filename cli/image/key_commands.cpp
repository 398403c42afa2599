#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/clock.h"
#include "base/encoding.h"
#include "cli/commands.h"
#include "cli/image/copy_image.h"
#include "cli/image/image_commands.h"
#include "cli/image/rotate_key.h"
#include "cli/key.h"
#include "cli/result_text.h"
#include "cli/stop_on_signal.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace {

struct WrapOptions {
  std::string key_file;
  std::string kek_file;
  std::string key_id;
  std::string root_hash;
  std::string salt;
  uint64_t data_size = 0;
  bool json = false;
};

struct RotateCommandOptions {
  std::string image;
  std::string target;
  std::string old_kek_file;
  std::string new_kek_file;
  std::string key_id;
  std::string old_key_id;
  bool json = false;
  ImageAccessOptions access;
};

Result<std::array<std::byte, 32>> Hash(const std::string& hex, const std::string& option) {
  LOCKET_TRY_ASSIGN(const auto bytes, HexDecode(hex).While(option));
  std::array<std::byte, 32> hash{};
  if (bytes.size() != hash.size()) return Usage(option + ": must be 64 hex digits");
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

Result<verity::LayerIdentity> IdentityOf(const WrapOptions& options) {
  LOCKET_TRY_ASSIGN(const auto root_hash, Hash(options.root_hash, "--root-hash"));
  LOCKET_TRY_ASSIGN(const auto salt, Hash(options.salt, "--salt"));
  LOCKET_TRY(verity::LayoutFor(options.data_size).While("--data-size"));
  return verity::LayerIdentity{
      .root_hash = root_hash, .salt = salt, .data_size = options.data_size};
}

Status CheckWrap(const WrapOptions& options) {
  LOCKET_TRY(ResourceName::FromUri(options.key_id).While("--key-id"));
  LOCKET_TRY(IdentityOf(options));
  return Ok();
}

Result<int> Wrap(const WrapOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const Secret kek, ReadKeyFile(options.kek_file));
  LOCKET_TRY_ASSIGN(Secret key, ReadSecretFile(options.key_file, image::kLayerKeyBytes));
  LOCKET_TRY_ASSIGN(const auto id, ResourceName::FromUri(options.key_id));
  LOCKET_TRY_ASSIGN(const auto identity, IdentityOf(options));
  LOCKET_TRY_ASSIGN(const std::string packet,
                    WrapKey(kek, id, {.key = std::move(key), .identity = identity})
                        .While("wrap '" + options.key_file + "'"));
  if (!options.json) {
    context.out << packet << "\n";
    return 0;
  }
  context.out << JsonText(
      {{"annotation", std::string(image::kKeyPacketAnnotation)}, {"value", packet}});
  return 0;
}

Status CheckRotate(const RotateCommandOptions& options) {
  LOCKET_TRY(CheckImageName(options.image, "IMAGE"));
  LOCKET_TRY(CheckTargetName(options.target));
  LOCKET_TRY(ResourceName::FromUri(options.key_id).While("--key-id"));
  if (!options.old_key_id.empty()) {
    LOCKET_TRY(ResourceName::FromUri(options.old_key_id).While("--old-key-id"));
  }
  return CheckAccess(options.access);
}

Result<CopyReport> RotateImage(const RotateCommandOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const Secret old_kek, ReadKeyFile(options.old_kek_file));
  LOCKET_TRY_ASSIGN(const Secret new_kek, ReadKeyFile(options.new_kek_file));
  LOCKET_TRY_ASSIGN(const auto id, ResourceName::FromUri(options.key_id));
  RotateOptions rotate{.old_kek = old_kek, .new_kek = new_kek, .key_id = id};
  if (!options.old_key_id.empty()) {
    LOCKET_TRY_ASSIGN(rotate.only_under, ResourceName::FromUri(options.old_key_id));
  }
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  LOCKET_TRY_ASSIGN(const auto from, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto to, image::ParseImageLocation(options.target));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(from));
  LOCKET_TRY_ASSIGN(const auto target, access->OpenTarget(to, {.mount_from = &from,
                                                               .stream = StreamTo(context),
                                                               .show_progress = true}));
  return CopyImage(
      *source, *target,
      {.only_platform = !options.access.platform.empty(),
       .rewrite = [&](const auto& manifest) { return RotateManifest(manifest, rotate); },
       .stop = stop->token()},
      progress);
}

Result<int> Rotate(const RotateCommandOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(
      const auto report,
      RotateImage(options, context).While("rotate the keys of '" + options.image + "'"));
  PrintCopy(options.target, report, {}, options.json, context);
  return 0;
}

void AddCreate(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* create = group.add_subcommand("create", "Make a new key encryption key");
  create->footer("Example:\n  locket key create kek.bin");
  auto file = std::make_shared<std::string>();
  create
      ->add_option("FILE", *file,
                   "New file for the key, 32 random bytes, mode 0600. An existing file is never "
                   "overwritten")
      ->type_name("")
      ->required();
  create->callback([&context, &selected, file] {
    selected.run = [&context, file]() -> Result<int> {
      LOCKET_TRY(CreateKeyFile(*file));
      context.out << "created " << *file << "\n";
      return 0;
    };
  });
}

void AddWrapOptions(CLI::App& wrap, WrapOptions& options) {
  wrap.add_option("FILE", options.key_file, "File with the key of the layer, 64 bytes")
      ->type_name("")
      ->required();
  wrap.add_option("--kek", options.kek_file, "Key encryption key, a file of 32 bytes")
      ->type_name("FILE")
      ->required();
  wrap.add_option("--key-id", options.key_id,
                  "Resource under which the broker stores the key encryption key, "
                  "kbs:///repo/type/tag")
      ->type_name("URI")
      ->required();
  wrap.add_option("--root-hash", options.root_hash, "Root hash of the layer, 64 hex digits")
      ->type_name("HEX")
      ->required();
  wrap.add_option("--salt", options.salt, "Salt of the layer, 64 hex digits")
      ->type_name("HEX")
      ->required();
  wrap.add_option("--data-size", options.data_size,
                  "Size of the layer's data in bytes, without its hash tree")
      ->type_name("BYTES")
      ->required();
}

void AddWrap(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* wrap = group.add_subcommand("wrap", "Encrypt the key of one layer for a key packet");
  wrap->footer(
      "For layers that another tool sealed. Prints the value of the layer's annotation; --json "
      "also prints the annotation's name.\n\n"
      "Example:\n"
      "  locket key wrap layer.key --kek kek.bin --key-id kbs:///team/key/app \\\n"
      "    --root-hash HEX --salt HEX --data-size 1048576");
  auto options = std::make_shared<WrapOptions>();
  AddWrapOptions(*wrap, *options);
  wrap->add_flag("--json", options->json, "Print name and value of the annotation as JSON");
  wrap->callback([&context, &selected, options] {
    selected.check = [options] { return CheckWrap(*options); };
    selected.run = [&context, options] { return Wrap(*options, context); };
  });
}

void AddRotateOptions(CLI::App& rotate, RotateCommandOptions& options) {
  rotate
      .add_option("--old-kek", options.old_kek_file,
                  "Key encryption key that opens the key packets now, a file of 32 bytes")
      ->type_name("FILE")
      ->required();
  rotate
      .add_option("--new-kek", options.new_kek_file,
                  "Key encryption key to encrypt the layer keys under, a file of 32 bytes")
      ->type_name("FILE")
      ->required();
  rotate
      .add_option("--key-id", options.key_id,
                  "Resource under which the broker stores the new key encryption key, "
                  "kbs:///repo/type/tag")
      ->type_name("URI")
      ->required();
  rotate
      .add_option("--old-key-id", options.old_key_id,
                  "Change only key packets under this key, kbs:///repo/type/tag (default: all)")
      ->type_name("URI");
}

void AddRotate(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* rotate =
      group.add_subcommand("rotate", "Encrypt an image's layer keys under another key");
  rotate->footer(
      "The layers stay as they are. Prints the digest of the new manifest or index: sign it, and "
      "allow it in the initdata. Anybody who has the old key and the old manifest can still open "
      "the layers; seal the image again to prevent that.\n\n"
      "Example:\n"
      "  locket key rotate registry.example/app:1 registry.example/app:1-rotated \\\n"
      "    --old-kek old.bin --new-kek new.bin --key-id kbs:///team/key/app-2");
  auto options = std::make_shared<RotateCommandOptions>();
  AddSource(*rotate, "IMAGE", options->image);
  AddTarget(*rotate, options->target);
  AddRotateOptions(*rotate, *options);
  AddAccess(*rotate, options->access);
  rotate->add_flag("--json", options->json,
                   "Print digest, and numbers of blobs and bytes, as JSON");
  rotate->callback([&context, &selected, options] {
    selected.check = [options] { return CheckRotate(*options); };
    selected.run = [&context, options] { return Rotate(*options, context); };
  });
}

}  // namespace

void AddKeyCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("key", "Make and change key encryption keys");
  group->require_subcommand(1);
  AddCreate(*group, context, selected);
  AddWrap(*group, context, selected);
  AddRotate(*group, context, selected);
}

}  // namespace locket::cli
