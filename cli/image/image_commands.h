// For the files of image commands only: what they share, and how each joins the `image` group.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "cli/commands.h"
#include "cli/image/attachment.h"
#include "cli/image/copy_image.h"
#include "cli/image/image_access.h"

namespace locket::cli {

inline constexpr const char* kSourceHelp =
    "Registry reference, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, - (an archive)";
inline constexpr const char* kTargetHelp =
    "Registry reference, oci:DIR:TAG, oci-archive:FILE[:TAG] or - (an archive)";

Error Usage(const std::string& message);

// --platform, --tmp, --creds-file, --hosts-dir.
void AddAccess(CLI::App& command, ImageAccessOptions& access);
// Of what AddAccess adds, and the image's name (`what` in messages).
Status CheckAccess(const ImageAccessOptions& access);
Status CheckImageName(const std::string& image, const std::string& what);
Status CheckTargetName(const std::string& target);
// Where an archive goes that is named "-".
image::ByteSink StreamTo(Context& context);
void PrintCopy(const std::string& target, const CopyReport& report,
               const AttachedDocuments& attached, bool json, Context& context);

// Nothing for an empty name.
Result<std::optional<Secret>> ReadOptionalKey(const std::string& file);

void AddExtract(CLI::App& group, Context& context, Selected& selected);
void AddDiff(CLI::App& group, Context& context, Selected& selected);
void AddMeasure(CLI::App& group, Context& context, Selected& selected);
void AddCopy(CLI::App& group, Context& context, Selected& selected);
void AddSign(CLI::App& group, Context& context, Selected& selected);

}  // namespace locket::cli
