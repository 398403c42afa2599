#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/clock.h"
#include "base/encoding.h"
#include "cli/image/copy_image.h"
#include "cli/image/image_commands.h"
#include "cli/result_text.h"
#include "cli/stop_on_signal.h"

namespace locket::cli {
namespace {

struct CopyOptions {
  std::string source;
  std::string target;
  bool no_signatures = false;
  bool json = false;
  ImageAccessOptions access;
};

Status CheckCopy(const CopyOptions& options) {
  LOCKET_TRY(CheckImageName(options.source, "SOURCE"));
  LOCKET_TRY(CheckTargetName(options.target));
  return CheckAccess(options.access);
}

Result<int> Copy(const CopyOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  const SystemClock clock;
  Progress progress(context.err, context.err_is_terminal, clock);
  LOCKET_TRY_ASSIGN(const auto access,
                    ImageAccess::Create(options.access, stop->token(), &progress));
  const std::string doing = "copy '" + options.source + "' to '" + options.target + "'";
  LOCKET_TRY_ASSIGN(const auto from, image::ParseImageLocation(options.source));
  LOCKET_TRY_ASSIGN(const auto to, image::ParseImageLocation(options.target));
  LOCKET_TRY_ASSIGN(const auto source, access->OpenImage(from).While(doing));
  LOCKET_TRY_ASSIGN(const auto target, access
                                           ->OpenTarget(to, {.mount_from = &from,
                                                             .stream = StreamTo(context),
                                                             .show_progress = true})
                                           .While(doing));
  CopyImageOptions how{.only_platform = !options.access.platform.empty(), .stop = stop->token()};
  AttachedDocuments attached;
  if (!options.no_signatures) {
    how.before_name = [&](const std::vector<image::Descriptor>& documents) -> Status {
      LOCKET_TRY_ASSIGN(attached, CopyAttachments(*access, from, to, documents, stop->token()));
      return Ok();
    };
  }
  LOCKET_TRY_ASSIGN(const auto report, CopyImage(*source, *target, how, progress).While(doing));
  PrintCopy(options.target, report, attached, options.json, context);
  return 0;
}

}  // namespace

image::ByteSink StreamTo(Context& context) {
  return [&context](std::span<const std::byte> bytes) -> Status {
    const auto text = AsText(bytes);
    context.out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (context.out.good()) return Ok();
    return Error(ErrorCode::kUnavailable, "write to standard output: its reader has ended");
  };
}

void PrintCopy(const std::string& target, const CopyReport& report,
               const AttachedDocuments& attached, bool json, Context& context) {
  // Standard output holds the archive, so the result goes to standard error.
  std::ostream& out = target == "-" ? context.err : context.out;
  if (!json) {
    out << report.top.digest.ToText() << "\n";
    return;
  }
  out << JsonText({{"target", target},
                   {"digest", report.top.digest.ToText()},
                   {"media_type", report.top.media_type},
                   {"blobs", report.blobs},
                   {"blobs_left_out", report.blobs_left_out},
                   {"blobs_sent", report.blobs_sent},
                   {"bytes_sent", report.bytes_sent},
                   {"signed_documents", attached.with_signatures},
                   {"attested_documents", attached.with_attestations},
                   {"sbom_documents", attached.with_sbom}});
}

void AddCopy(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* copy = group.add_subcommand("copy", "Copy an image byte for byte");
  copy->footer(
      "Copies an index with all its platforms, unless --platform names one. Prints the digest of "
      "the manifest or index.\n\n"
      "Examples:\n"
      "  locket image copy registry.example/app:1 mirror.example/app:1\n"
      "  locket image copy registry.example/app:1 oci:mirror:app\n"
      "  locket image copy oci:mirror:app oci-archive:app.tar\n"
      "  locket image copy registry.example/app:1 - | \\\n"
      "    ssh host locket image copy - oci:images:app");
  auto options = std::make_shared<CopyOptions>();
  AddSource(*copy, "SOURCE", options->source);
  AddTarget(*copy, options->target);
  copy->add_flag("--no-signatures", options->no_signatures,
                 "Do not copy signatures, attestations and SBOMs (default: copy those that cosign "
                 "put beside the image, from and to registries and layouts)");
  AddAccess(*copy, options->access);
  copy->add_flag("--json", options->json, "Print digest, and numbers of blobs and bytes, as JSON");
  copy->callback([&context, &selected, options] {
    selected.check = [options] { return CheckCopy(*options); };
    selected.run = [&context, options] { return Copy(*options, context); };
  });
}

}  // namespace locket::cli
