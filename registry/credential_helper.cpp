#include "registry/credential_helper.h"

#include <strings.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/encoding.h"
#include "base/json.h"
#include "base/subprocess.h"

namespace locket::registry {
namespace {

using nlohmann::json;

constexpr size_t kMaxAnswerBytes = 64U << 10;
constexpr size_t kMaxMessage = 200;
constexpr size_t kMaxName = 128;
// Word for word what docker's own helpers print, and docker looks for.
constexpr std::string_view kNotFound = "credentials not found in native keychain";

// A name from a file becomes part of a program's name, never of a path.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

std::string_view Trimmed(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t first = std::min(text.find_first_not_of(kSpace), text.size());
  const size_t last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? std::string_view() : text.substr(first, last + 1 - first);
}

// What a failing helper says of it. Not when it looks like an answer, which may hold a password.
std::string Message(std::string_view printed) {
  if (printed.empty() || printed.find('{') != std::string_view::npos) return {};
  std::string clean(printed.substr(0, kMaxMessage));
  std::ranges::replace_if(
      clean, [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return ": " + clean;
}

// The text of a field, taken out of `document`, where nothing of it is left.
Secret TakeText(json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_string()) return Secret(0);
  auto& text = found->get_ref<std::string&>();
  Secret secret(text.size());
  std::ranges::copy(AsBytes(text), secret.Reveal().begin());
  if (!text.empty()) ::explicit_bzero(text.data(), text.size());
  return secret;
}

Error Failed(const std::string& program, const std::string& why) {
  return {ErrorCode::kFailedPrecondition, "credential helper '" + program + "' " + why};
}

Result<std::optional<Credentials>> Understand(const std::string& program,
                                              const CommandOutput& output) {
  const auto printed = Trimmed(output.standard_output);
  if (output.exit_status != 0 && printed == kNotFound) return std::optional<Credentials>();
  if (output.exit_status != 0) {
    return Failed(program,
                  "failed with status " + std::to_string(output.exit_status) + Message(printed));
  }
  auto credentials = ParseHelperAnswer(printed);
  if (credentials.ok()) return credentials;
  return Failed(program, "answered what cannot be understood: " + credentials.error().message());
}

}  // namespace

Result<std::optional<Credentials>> ParseHelperAnswer(std::string_view text) {
  auto parsed = ParseJsonObject(text, {.max_bytes = kMaxAnswerBytes});
  // Why not is left out: nothing of the answer may be repeated.
  if (!parsed.ok()) return Error(ErrorCode::kInvalidArgument, "not a JSON object");
  json& document = *parsed;
  const Secret username = TakeText(document, "Username");
  Secret password = TakeText(document, "Secret");
  if (username.Reveal().empty() && password.Reveal().empty()) return std::optional<Credentials>();
  if (username.Reveal().empty()) return Error(ErrorCode::kInvalidArgument, "no 'Username'");
  return std::optional(Credentials{.username = std::string(AsText(username.Reveal())),
                                   .password = std::move(password)});
}

Result<std::optional<Credentials>> AskCredentialHelper(const std::string& name,
                                                       const std::string& server,
                                                       const HelperOptions& options) {
  const std::string program = "docker-credential-" + name;
  if (!IsName(name)) {
    return Failed(program.substr(0, kMaxName), "has a name that no program can have");
  }
  const std::string path =
      options.directory.empty() ? program : (options.directory / program).string();
  auto output = RunCommand(
      {path, "get"},
      {.input = server, .timeout = options.timeout, .max_output_bytes = kMaxAnswerBytes});
  if (!output.ok()) {
    const bool absent = output.error().code() == ErrorCode::kNotFound;
    return Failed(program, absent ? "is not installed" : "gave none: " + output.error().message());
  }
  auto credentials = Understand(program, *output);
  auto& printed = output->standard_output;
  if (!printed.empty()) ::explicit_bzero(printed.data(), printed.size());
  return credentials;
}

}  // namespace locket::registry
