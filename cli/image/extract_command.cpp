#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "base/clock.h"
#include "base/encoding.h"
#include "cli/image/extract_image.h"
#include "cli/image/image_commands.h"
#include "cli/result_text.h"
#include "cli/stop_on_signal.h"

namespace locket::cli {
namespace {

struct ExtractOptions {
  std::string image;
  std::string directory;
  std::optional<int> layer;
  std::string file;
  std::string kek_file;
  bool rootless = false;
  bool json = false;
  ImageAccessOptions access;
};

Status CheckExtract(const ExtractOptions& options) {
  LOCKET_TRY(CheckImageName(options.image, "IMAGE"));
  if (options.layer.has_value() == options.file.empty()) {
    return Usage("--layer and -o need each other: the layer, and the file for its EROFS image");
  }
  if (options.directory.empty() != options.layer.has_value()) {
    return Usage("give DIR for the whole image, or --layer and -o for one layer, not both");
  }
  if (options.layer && options.rootless) {
    return Usage("--rootless cannot be used with --layer: an EROFS image needs no root");
  }
  return CheckAccess(options.access);
}

std::string Describe(const ExtractOptions& options, const ExtractReport& report) {
  if (options.json) {
    return JsonText({{"directory", options.directory},
                     {"files", report.files},
                     {"devices_left_out", report.devices_left_out},
                     {"xattrs_left_out", report.xattrs_left_out}});
  }
  std::string text = "extracted to " + options.directory;
  if (report.devices_left_out + report.xattrs_left_out > 0) {
    text += "; left out, as that needs root: " + std::to_string(report.devices_left_out) +
            " devices, " + std::to_string(report.xattrs_left_out) + " xattrs";
  }
  return text + "\n";
}

std::string DescribeLayer(const ExtractOptions& options, const ExtractedLayer& extracted) {
  if (!options.json) {
    return "extracted layer " + std::to_string(extracted.layer) + " to " + options.file + "\n";
  }
  return JsonText({{"file", options.file},
                   {"layer", extracted.layer},
                   {"size", extracted.identity.data_size},
                   {"root_hash", HexEncode(extracted.identity.root_hash)}});
}

Result<int> Extract(const ExtractOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  const std::string doing = "extract '" + options.image + "'";
  LOCKET_TRY_ASSIGN(const auto kek, ReadOptionalKey(options.kek_file));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(location).While(doing));
  const LayerImageOptions layers{.kek = kek ? &*kek : nullptr,
                                 .temporary_directory = options.access.temporary_directory,
                                 .stop = stop->token()};
  if (options.layer) {
    LOCKET_TRY_ASSIGN(
        const auto extracted,
        ExtractLayerImage(*source, *options.layer, options.file, layers, progress).While(doing));
    context.out << DescribeLayer(options, extracted);
    return 0;
  }
  LOCKET_TRY_ASSIGN(const auto report, ExtractImage(*source, options.directory, layers,
                                                    {.rootless = options.rootless}, progress)
                                           .While(doing));
  context.out << Describe(options, report);
  return 0;
}

}  // namespace

void AddExtract(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* extract = group.add_subcommand("extract", "Turn an image back into files");
  extract->footer(
      "Examples:\n"
      "  locket image extract registry.example/app:1 rootfs --kek kek.bin\n"
      "  locket image extract oci:sealed:app rootfs --rootless\n"
      "  locket image extract oci:sealed:app --layer -1 -o top.erofs --kek kek.bin");
  auto options = std::make_shared<ExtractOptions>();
  AddSource(*extract, "IMAGE", options->image);
  extract->add_option("DIR", options->directory, "New or empty directory for the root file system")
      ->type_name("");
  extract
      ->add_option("--layer", options->layer,
                   "Write the EROFS image of one layer to the file of --output, in place of DIR. 0 "
                   "is the bottom layer, -1 the top")
      ->type_name("N");
  extract
      ->add_option("-o,--output", options->file,
                   "File for the decrypted EROFS image of --layer, mode 0600")
      ->type_name("FILE");
  extract
      ->add_option("--kek", options->kek_file,
                   "Key encryption key, a file of 32 bytes. Needed if a layer is encrypted")
      ->type_name("FILE");
  extract->add_flag("--rootless", options->rootless,
                    "Work without root: all files belong to the caller, and devices and "
                    "privileged xattrs are left out");
  AddAccess(*extract, options->access);
  extract->add_flag("--json", options->json, "Print the result as JSON");
  extract->callback([&context, &selected, options] {
    selected.check = [options] { return CheckExtract(*options); };
    selected.run = [&context, options] { return Extract(*options, context); };
  });
}

}  // namespace locket::cli
