#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/clock.h"
#include "base/encoding.h"
#include "cli/image/diff_image.h"
#include "cli/image/image_commands.h"
#include "cli/image/measure_image.h"
#include "cli/result_text.h"
#include "cli/stop_on_signal.h"
#include "erofs/tar_reader.h"

namespace locket::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDifferent = 3;  // 1 is for failures

struct DiffOptions {
  std::string a;
  std::string b;
  std::string kek_file;
  uint64_t limit = 1000;
  bool json = false;
  ImageAccessOptions access;
};

struct MeasureOptions {
  std::string image;
  bool json = false;
  ImageAccessOptions access;
};

Json DifferenceJson(const LayerDifference& difference) {
  return {{"path", difference.path},
          {"what", difference.what},
          {"a", difference.a},
          {"b", difference.b}};
}

Json ComparisonJson(const DiffOptions& options, const ImageComparison& comparison) {
  Json layers = Json::array();
  for (const auto& layer : comparison.layers) {
    Json differences = Json::array();
    for (const auto& difference : layer.differences) {
      differences.push_back(DifferenceJson(difference));
    }
    layers.push_back({{"same", layer.same()},
                      {"root_hash_a", layer.root_hash_a},
                      {"root_hash_b", layer.root_hash_b},
                      {"why", layer.why},
                      {"differences", differences},
                      {"not_listed", layer.not_kept}});
  }
  return {{"a", options.a}, {"b", options.b}, {"same", comparison.same()}, {"layers", layers}};
}

void PrintLayer(size_t index, const LayerComparison& layer, std::ostream& out) {
  out << "layer " << index << ": ";
  if (layer.same()) {
    out << "same\n";
    return;
  }
  const auto text = [](const std::string& hash) { return hash.empty() ? "none" : hash; };
  out << layer.why << "\n  root hash A " << text(layer.root_hash_a) << "\n  root hash B "
      << text(layer.root_hash_b) << "\n";
  for (const auto& difference : layer.differences) {
    // Names come from the maker of the image. They must not steer a terminal.
    out << "  " << erofs::QuotedName(difference.path) << ": " << difference.what;
    if (!difference.a.empty()) out << "  A " << erofs::QuotedName(difference.a);
    if (!difference.b.empty()) out << "  B " << erofs::QuotedName(difference.b);
    out << "\n";
  }
  if (layer.not_kept > 0) {
    out << "  and " << layer.not_kept << " more; --limit shows more of them\n";
  }
}

Result<int> Diff(const DiffOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const auto kek, ReadOptionalKey(options.kek_file));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  LOCKET_TRY_ASSIGN(const auto location_a, image::ParseImageLocation(options.a));
  LOCKET_TRY_ASSIGN(const auto location_b, image::ParseImageLocation(options.b));
  const std::string doing = "compare '" + options.a + "' and '" + options.b + "'";
  LOCKET_TRY_ASSIGN(const auto a, access->OpenImage(location_a).While(doing));
  LOCKET_TRY_ASSIGN(const auto b, access->OpenImage(location_b).While(doing));
  LOCKET_TRY_ASSIGN(
      const auto comparison,
      DiffImages(*a, *b,
                 {.layers = {.kek = kek ? &*kek : nullptr,
                             .temporary_directory = options.access.temporary_directory,
                             .stop = stop->token()},
                  .max_differences = options.limit},
                 progress)
          .While(doing));
  if (options.json) {
    context.out << JsonText(ComparisonJson(options, comparison));
  } else {
    for (size_t i = 0; i < comparison.layers.size(); ++i) {
      PrintLayer(i, comparison.layers[i], context.out);
    }
  }
  return comparison.same() ? 0 : kDifferent;
}

std::string MeasurementText(const std::string& image, const ImageMeasurement& measured,
                            bool as_json) {
  Json layers = Json::array();
  std::string lines;
  for (const auto& layer : measured.layers) {
    const std::string root_hash = HexEncode(layer.identity.root_hash);
    layers.push_back({{"diff_id", layer.diff_id.ToText()},
                      {"root_hash", root_hash},
                      {"salt", HexEncode(layer.identity.salt)},
                      {"data_size", layer.identity.data_size},
                      {"blob_digest", layer.blob_digest.ToText()},
                      {"blob_size", layer.blob_size}});
    lines += "  " + layer.diff_id.ToText() + "  " + root_hash + "\n";
  }
  const std::string sealed = measured.sealed_manifest.ToText();
  if (!as_json) return "manifest  " + sealed + "\nlayers\n" + lines;
  return JsonText({{"reference", image},
                   {"manifest_digest", measured.manifest.ToText()},
                   {"platform", measured.platform},
                   {"sealed_manifest_digest", sealed},
                   {"sealed_config_digest", measured.sealed_config.ToText()},
                   {"user", measured.user},
                   {"layers", layers}});
}

Result<int> Measure(const MeasureOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  const std::string doing = "measure '" + options.image + "'";
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(location).While(doing));
  LOCKET_TRY_ASSIGN(const auto measured,
                    MeasureImage(*source,
                                 {.temporary_directory = options.access.temporary_directory,
                                  .stop = stop->token()},
                                 progress)
                        .While(doing));
  context.out << MeasurementText(options.image, measured, options.json);
  return 0;
}

}  // namespace

void AddDiff(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* diff = group.add_subcommand("diff", "Explain why two images' root hashes differ");
  diff->footer(
      "Exits 0 if every layer has the same root hash in both images, 3 if not.\n\n"
      "Examples:\n"
      "  locket image diff oci:mine:app registry.example/app:1\n"
      "  locket image diff oci:sealed:a oci:sealed:b --kek kek.bin --json | \\\n"
      "    jq '.layers[].differences'");
  auto options = std::make_shared<DiffOptions>();
  AddSource(*diff, "A", options->a);
  AddSource(*diff, "B", options->b);
  diff->add_option("--kek", options->kek_file,
                   "Key encryption key, a file of 32 bytes. Needed if a layer is encrypted")
      ->type_name("FILE");
  diff->add_option("--limit", options->limit,
                   "Greatest number of differences to list for each layer")
      ->type_name("N")
      ->capture_default_str();
  AddAccess(*diff, options->access);
  diff->add_flag("--json", options->json, "Print JSON");
  diff->callback([&context, &selected, options] {
    selected.check = [options]() -> Status {
      LOCKET_TRY(CheckImageName(options->a, "A"));
      LOCKET_TRY(CheckImageName(options->b, "B"));
      if (options->a == "-" && options->b == "-") return Usage("only one of A and B can be '-'");
      return CheckAccess(options->access);
    };
    selected.run = [&context, options] { return Diff(*options, context); };
  });
}

void AddMeasure(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* measure = group.add_subcommand(
      "measure", "Compute the digest and root hashes that a host's conversion of an image gives");
  measure->footer(
      "A host with 'convert = true' seals an ordinary image itself. This command computes the "
      "manifest digest and root hashes that it produces, and pushes nothing. Prints the manifest "
      "digest, for 'locket initdata create --allow-digest', and then diff ID and root hash of each "
      "layer.\n\n"
      "Examples:\n"
      "  locket image measure docker.io/library/debian:12\n"
      "  locket image measure oci:app:latest --json | jq -r .sealed_manifest_digest");
  auto options = std::make_shared<MeasureOptions>();
  AddSource(*measure, "IMAGE", options->image);
  AddAccess(*measure, options->access);
  measure->add_flag("--json", options->json, "Print JSON");
  measure->callback([&context, &selected, options] {
    selected.check = [options]() -> Status {
      LOCKET_TRY(CheckImageName(options->image, "IMAGE"));
      return CheckAccess(options->access);
    };
    selected.run = [&context, options] { return Measure(*options, context); };
  });
}

}  // namespace locket::cli
