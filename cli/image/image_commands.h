// What the files of the commands `image` and `key` share, and how each command joins its group.
// Only these files include it.
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

// Adds a required positional argument `name` for an image to read.
void AddSource(CLI::App& command, const char* name, std::string& image);
// Adds the required positional argument TARGET.
void AddTarget(CLI::App& command, std::string& image);
// Adds --platform, --tmp, --creds-file and --hosts-dir.
void AddAccess(CLI::App& command, ImageAccessOptions& access);
// kInvalidArgument: what the user gave for the options of AddAccess is malformed.
Status CheckAccess(const ImageAccessOptions& access);
// kInvalidArgument: `image` does not name an image. `what` is the argument's name for the message.
Status CheckImageName(const std::string& image, const std::string& what);
// kInvalidArgument: `target` does not name a place to write an image to.
Status CheckTargetName(const std::string& target);
// Returns the sink for an archive that is named "-": `context.out`.
image::ByteSink StreamTo(Context& context);
// Prints the result of a copy, to `context.err` if `target` is "-", as standard output then holds
// the archive.
void PrintCopy(const std::string& target, const CopyReport& report,
               const AttachedDocuments& attached, bool json, Context& context);

// Returns the key encryption key in `file`, or nothing if `file` is empty. Codes as ReadKeyFile.
Result<std::optional<Secret>> ReadOptionalKey(const std::string& file);

void AddExtract(CLI::App& group, Context& context, Selected& selected);
void AddDiff(CLI::App& group, Context& context, Selected& selected);
void AddMeasure(CLI::App& group, Context& context, Selected& selected);
void AddCopy(CLI::App& group, Context& context, Selected& selected);
void AddSign(CLI::App& group, Context& context, Selected& selected);

}  // namespace locket::cli
