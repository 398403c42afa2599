#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/encoding.h"
#include "base/file.h"
#include "cli/commands.h"
#include "initdata/initdata.h"

namespace locket::cli {
namespace {

constexpr size_t kMaxCaFile = 1U << 20;

struct CreateOptions {
  initdata::GuestPolicy policy;
  std::string broker_url;
  std::string ca_file;
  std::vector<std::string> digests;
  std::vector<std::string> commands;
  std::vector<std::string> execs;
  std::vector<std::string> volumes;
  std::string output;
};

Error Usage(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

// A JSON array of at least one string.
Result<std::vector<std::string>> ParseCommand(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const bool good =
      parsed.is_array() && !parsed.empty() &&
      std::all_of(parsed.begin(), parsed.end(), [](const auto& one) { return one.is_string(); });
  if (!good) return Usage("'" + json + "' is no JSON array of strings, like '[\"/bin/ls\"]'");
  std::vector<std::string> words;
  for (const auto& word : parsed) words.push_back(word.get<std::string>());
  return words;
}

// What an option says of one image or of all: [DIGEST=]VALUE. A command begins with '[', a path
// with
// '/', so that neither is taken for a digest.
struct ForImage {
  initdata::ImageRules& rules;
  std::string value;
};

Result<ForImage> SplitDigest(const std::string& text, initdata::GuestPolicy& policy) {
  const auto equals = text.find('=');
  if (!text.starts_with("sha256:") || equals == std::string::npos) {
    return ForImage{.rules = policy.every_image, .value = text};
  }
  LOCKET_TRY_ASSIGN(const auto digest, image::Digest::FromText(text.substr(0, equals)));
  const auto& allowed = policy.allowed_digests;
  if (!policy.allow_keyed && std::ranges::find(allowed, digest) == allowed.end()) {
    return Usage("image " + digest.ToText() + " may not run: give it as --allow-digest, too");
  }
  return ForImage{.rules = policy.images[digest], .value = text.substr(equals + 1)};
}

Result<int> Create(CreateOptions options, Context& context) {
  if (!options.broker_url.empty()) {
    LOCKET_TRY_ASSIGN(std::string ca, ReadFile(options.ca_file, kMaxCaFile).While("broker CA"));
    if (ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
      return Usage("broker CA '" + options.ca_file + "' holds no PEM certificate");
    }
    options.policy.broker = {.url = options.broker_url, .ca = std::move(ca)};
  }
  const initdata::Initdata initdata{
      .data = {{std::string(initdata::kPolicyKey), initdata::EncodeGuestPolicy(options.policy)}}};
  const std::string toml = initdata::EncodeInitdata(initdata);
  // What the guest would refuse is refused here.
  LOCKET_TRY_ASSIGN(const initdata::Initdata decoded,
                    initdata::DecodeInitdata(toml).While("make initdata"));
  LOCKET_TRY(initdata::PolicyOf(decoded).While("make initdata"));
  for (const auto& name : options.policy.allow_env) {
    if (!initdata::IsLoaderVariable(name)) continue;
    context.err << "locket: warning: with --allow-env " << name
                << " the host can make programs in the guest run other code\n";
  }
  if (options.output.empty()) {
    context.out << toml;
  } else {
    LOCKET_TRY(ReplaceFileDurably(options.output, toml, 0644).While("write initdata"));
  }
  return 0;
}

Status CheckCreate(CreateOptions& options) {
  initdata::GuestPolicy& policy = options.policy;
  for (const auto& text : options.digests) {
    LOCKET_TRY_ASSIGN(const image::Digest digest,
                      image::Digest::FromText(text).While("--allow-digest"));
    policy.allowed_digests.push_back(digest);
  }
  for (const auto& text : options.commands) {
    LOCKET_TRY_ASSIGN(const auto one, SplitDigest(text, policy).While("--allow-command"));
    LOCKET_TRY_ASSIGN(auto words, ParseCommand(one.value).While("--allow-command"));
    one.rules.allow_commands.push_back(std::move(words));
  }
  for (const auto& text : options.execs) {
    LOCKET_TRY_ASSIGN(const auto one, SplitDigest(text, policy).While("--allow-exec"));
    LOCKET_TRY_ASSIGN(auto words, ParseCommand(one.value).While("--allow-exec"));
    one.rules.allow_exec.push_back(std::move(words));
  }
  for (const auto& text : options.volumes) {
    LOCKET_TRY_ASSIGN(const auto one, SplitDigest(text, policy).While("--allow-volume"));
    LOCKET_TRY(initdata::CheckVolumePath(one.value).While("--allow-volume"));
    one.rules.allow_volumes.push_back(one.value);
  }
  for (const auto& pattern : policy.allow_env) {
    if (pattern == "*") return Usage("--allow-env '*' lets the host set every variable: name some");
  }
  if (options.broker_url.empty() != options.ca_file.empty()) {
    return Usage("--broker-url and --broker-ca go together: the guest trusts no other CA");
  }
  if (!options.broker_url.empty() && !options.broker_url.starts_with("https://")) {
    return Usage("--broker-url '" + options.broker_url + "' does not begin with https://");
  }
  if (options.digests.empty() && !options.policy.allow_keyed) {
    return Usage("give --allow-digest or --allow-keyed: without them no image could run");
  }
  return Ok();
}

void AddCreate(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* create = group.add_subcommand("create", "Make initdata");
  create->footer(
      "Examples:\n  locket initdata create --broker-url https://broker.example:8443 --broker-ca "
      "ca.pem --allow-digest sha256:... -o app.toml\n  locket initdata create --allow-digest "
      "sha256:... --allow-command '[\"/bin/sh\",\"-c\",\"date\"]' --allow-env 'KUBERNETES_*'");
  auto options = std::make_shared<CreateOptions>();
  create->add_option("--broker-url", options->broker_url, "Key broker the guest asks");
  create->add_option("--broker-ca", options->ca_file,
                     "PEM file: the only CA the guest trusts for it");
  create->add_option("--allow-digest", options->digests, "Manifest that may run")
      ->allow_extra_args(false);
  create->add_flag("--allow-keyed", options->policy.allow_keyed,
                   "Also allow images whose every layer is opened by an authenticated key");
  create
      ->add_option("--allow-command", options->commands,
                   "Argument vector allowed besides the image's own, a JSON array; with DIGEST= in "
                   "front for that image only")
      ->allow_extra_args(false);
  create
      ->add_option("--allow-exec", options->execs,
                   "Argument vector the host may run in a running container, a JSON array; with "
                   "DIGEST= in front for that image only")
      ->allow_extra_args(false);
  create
      ->add_option(
          "--allow-env", options->policy.allow_env,
          "Host-given variable that may be set, NAME or PREFIX*; a prefix never covers those "
          "of loaders and interpreters, like LD_PRELOAD")
      ->allow_extra_args(false);
  create
      ->add_option(
          "--allow-volume", options->volumes,
          "Path where the host may mount an empty volume (emptyDir); with DIGEST= in front "
          "for that image only")
      ->allow_extra_args(false);
  create->add_flag("--allow-stdin", options->policy.allow_stdin,
                   "The host may write to standard inputs, and containers may have a terminal");
  create->add_flag("--allow-network", options->policy.allow_network,
                   "Pods have the network that the host gives them");
  create->add_flag("--hide-output", options->policy.hide_output,
                   "What containers print stays in the guest: the host gets none of it");
  create->add_flag("--allow-all-syscalls", options->policy.allow_all_syscalls,
                   "Containers run without a seccomp profile");
  create->add_option("-o,--output", options->output, "File to write instead of standard output");
  create->callback([&context, &selected, options] {
    selected.check = [options] { return CheckCreate(*options); };
    selected.run = [&context, options] { return Create(*options, context); };
  });
}

using Transform = std::function<Result<std::string>(std::string_view toml)>;

void AddReader(CLI::App& group, const std::string& name, const std::string& description,
               const Transform& transform, Context& context, Selected& selected) {
  CLI::App* command = group.add_subcommand(name, description);
  command->footer("Example:\n  locket initdata " + name + " app.toml");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "Initdata, TOML")->required();
  command->callback([&context, &selected, file, transform] {
    selected.run = [&context, file, transform]() -> Result<int> {
      const std::string doing = "initdata '" + *file + "'";
      LOCKET_TRY_ASSIGN(const std::string toml,
                        ReadFile(*file, initdata::kMaxInitdataBytes).While("initdata"));
      LOCKET_TRY_ASSIGN(const std::string text, transform(toml).While(doing));
      context.out << text << "\n";
      return 0;
    };
  });
}

}  // namespace

void AddInitdataCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("initdata", "What the tenant tells the guest");
  group->require_subcommand(1);
  AddCreate(*group, context, selected);
  AddReader(
      *group, "digest", "Print the digest that host_data holds",
      [](std::string_view toml) -> Result<std::string> {
        LOCKET_TRY_ASSIGN(const auto initdata, initdata::DecodeInitdata(toml));
        return HexEncode(initdata::InitdataDigest(initdata.algorithm, toml));
      },
      context, selected);
  AddReader(
      *group, "annotation", "Print the value of the pod annotation cc_init_data",
      [](std::string_view toml) -> Result<std::string> {
        LOCKET_TRY(initdata::DecodeInitdata(toml));
        return initdata::EncodeInitdataAnnotation(toml);
      },
      context, selected);
}

}  // namespace locket::cli
