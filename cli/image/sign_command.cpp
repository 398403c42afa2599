#include <strings.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "base/encoding.h"
#include "cli/image/image_commands.h"
#include "cli/image/sign_image.h"
#include "cli/key.h"
#include "cli/result_text.h"
#include "cli/stop_on_signal.h"

namespace locket::cli {
namespace {

constexpr const char* kPassphraseVariable = "COSIGN_PASSWORD";  // as cosign has it
constexpr size_t kMaxPassphraseBytes = 4096;

struct SignOptions {
  std::string image;
  std::string key_file;
  std::string passphrase_file;
  std::string docker_reference;
  bool json = false;
  ImageAccessOptions access;
};

Status CheckSign(const SignOptions& options) {
  LOCKET_TRY(CheckImageName(options.image, "IMAGE"));
  return CheckAccess(options.access);
}

// Returns the passphrase, without the line feed that an editor puts at a file's end; nothing if
// none was given.
Result<std::optional<Secret>> GivenPassphrase(const SignOptions& options, const Context& context) {
  std::optional<Secret> passphrase;
  if (!options.passphrase_file.empty()) {
    LOCKET_TRY_ASSIGN(const Secret file,
                      ReadSecretFile(options.passphrase_file, kMaxPassphraseBytes));
    auto text = AsText(file.Reveal());
    if (text.ends_with('\n')) text.remove_suffix(1);
    passphrase.emplace(ToSecret(text));
  } else if (auto variable = context.environment(kPassphraseVariable)) {
    passphrase.emplace(ToSecret(*variable));
    ::explicit_bzero(variable->data(), variable->size());
  }
  return passphrase;
}

Result<image::SigningKey> ReadSigningKey(const SignOptions& options, const Context& context,
                                         const std::stop_token& stop) {
  LOCKET_TRY_ASSIGN(const Secret pem,
                    ReadSecretFile(options.key_file, image::kMaxSigningKeyBytes).While("--key"));
  LOCKET_TRY_ASSIGN(auto passphrase, GivenPassphrase(options, context).While("--passphrase-file"));
  if (image::IsEncryptedKey(pem) && !passphrase && context.ask_passphrase) {
    LOCKET_TRY_ASSIGN(Secret typed,
                      context.ask_passphrase("Passphrase of '" + options.key_file + "': ", stop));
    passphrase.emplace(std::move(typed));
  }
  if (image::IsEncryptedKey(pem) && !passphrase) {
    return Error(ErrorCode::kFailedPrecondition,
                 "'" + options.key_file +
                     "' is encrypted: give its passphrase in the environment variable " +
                     kPassphraseVariable +
                     " or with --passphrase-file; standard input is not a terminal");
  }
  return image::SigningKey::FromPem(pem, passphrase ? &*passphrase : nullptr)
      .While("'" + options.key_file + "'");
}

std::string Describe(const SignOptions& options, const std::vector<SignedDocument>& documents) {
  if (!options.json) {
    std::string text;
    for (const auto& document : documents) {
      text += (document.was_signed ? "was signed " : "signed ") + document.digest.ToText() + "\n";
    }
    return text;
  }
  auto list = nlohmann::ordered_json::array();
  for (const auto& document : documents) {
    list.push_back({{"digest", document.digest.ToText()},
                    {"tag", image::SignatureTag(document.digest)},
                    {"was_signed", document.was_signed}});
  }
  return JsonText({{"image", options.image}, {"signed", list}});
}

Result<int> Sign(const SignOptions& options, Context& context) {
  LOCKET_TRY_ASSIGN(const auto stop, StopOnSignal::Start(context));
  LOCKET_TRY_ASSIGN(const auto key, ReadSigningKey(options, context, stop->token()));
  LOCKET_TRY_ASSIGN(const auto access, ImageAccess::Create(options.access, stop->token()));
  LOCKET_TRY_ASSIGN(const auto location, image::ParseImageLocation(options.image));
  LOCKET_TRY_ASSIGN(const auto documents,
                    SignImage(*access, location, key,
                              {.docker_reference = options.docker_reference,
                               .only_platform = !options.access.platform.empty()})
                        .While("sign '" + options.image + "'"));
  context.out << Describe(options, documents);
  return 0;
}

}  // namespace

void AddSign(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* sign = group.add_subcommand("sign", "Sign an image in cosign's format");
  sign->footer(
      "For an index, the index and every image in it are signed, or with --platform that image "
      "alone.\n\n"
      "Examples:\n"
      "  locket image sign registry.example/app:1 --key cosign.key\n"
      "  locket image sign oci:sealed:app --key key.pem \\\n"
      "    --reference registry.example/app");
  auto options = std::make_shared<SignOptions>();
  sign->add_option("IMAGE", options->image, "Registry reference or oci:DIR[:TAG]")
      ->type_name("")
      ->required();
  sign->add_option("--key", options->key_file,
                   "Private key: a key file of cosign, or a P-256 key in PEM")
      ->type_name("FILE")
      ->required();
  sign->add_option("--passphrase-file", options->passphrase_file,
                   "File with the passphrase of the key (default: the environment variable "
                   "COSIGN_PASSWORD, or else what is typed at the terminal)")
      ->type_name("FILE");
  sign->add_option("--reference", options->docker_reference,
                   "Name of the image in the signature (default: its registry name without the "
                   "tag, or the tag of a layout)")
      ->type_name("NAME");
  AddAccess(*sign, options->access);
  sign->add_flag("--json", options->json, "Print digests and tags of the signatures as JSON");
  sign->callback([&context, &selected, options] {
    selected.check = [options] { return CheckSign(*options); };
    selected.run = [&context, options] { return Sign(*options, context); };
  });
}

}  // namespace locket::cli
