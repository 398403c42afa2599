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

// A JSON array of at least one string.
Result<std::vector<std::string>> ParseCommand(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const bool good =
      parsed.is_array() && !parsed.empty() &&
      std::all_of(parsed.begin(), parsed.end(), [](const auto& one) { return one.is_string(); });
  if (!good) return Usage("'" + json + "' is not a JSON array of strings, such as '[\"/bin/ls\"]'");
  std::vector<std::string> words;
  for (const auto& word : parsed) words.push_back(word.get<std::string>());
  return words;
}

// An option for one image or for all of them: [DIGEST=]VALUE. A command begins with '[' and a path
// with '/', so that neither is taken for a digest.
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
    return Usage("image " + digest.ToText() + " may not run: give its --allow-digest, too");
  }
  return ForImage{.rules = policy.images[digest], .value = text.substr(equals + 1)};
}

Result<int> Create(CreateOptions options, Context& context) {
  if (!options.broker_url.empty()) {
    LOCKET_TRY_ASSIGN(std::string ca, ReadFile(options.ca_file, kMaxCaFile).While("broker CA"));
    if (ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
      return Usage("broker CA '" + options.ca_file + "' does not contain a PEM certificate");
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
    if (pattern == "*")
      return Usage("--allow-env '*' would let the host set every variable: name those you need");
  }
  if (options.broker_url.empty() != options.ca_file.empty()) {
    return Usage("--broker-url and --broker-ca need each other: the guest trusts no other CA");
  }
  if (!options.broker_url.empty() && !options.broker_url.starts_with("https://")) {
    return Usage("--broker-url '" + options.broker_url + "' does not begin with https://");
  }
  if (options.digests.empty() && !options.policy.allow_keyed) {
    return Usage("give --allow-digest or --allow-keyed: without them no image can run");
  }
  return Ok();
}

void AddImageRules(CLI::App& create, CreateOptions& options) {
  create
      .add_option("--allow-digest", options.digests,
                  "Allow the image with this manifest digest to run; repeatable. 'locket image "
                  "seal' prints the digest")
      ->type_name("DIGEST")
      ->allow_extra_args(false);
  create.add_flag("--allow-keyed", options.policy.allow_keyed,
                  "Also allow every image whose layers are all encrypted under keys that the "
                  "broker releases to this guest. The host then chooses which of these layers form "
                  "an image");
  create
      .add_option("--allow-command", options.commands,
                  "Allow the host to start a container with this argument vector, a JSON array of "
                  "strings; repeatable. The image's own command is always allowed. DIGEST= in "
                  "front: for that image only")
      ->type_name("[DIGEST=]JSON")
      ->allow_extra_args(false);
  create
      .add_option("--allow-exec", options.execs,
                  "Allow the host to run this argument vector, a JSON array of strings, in a "
                  "running container; repeatable. DIGEST= in front: for that image only")
      ->type_name("[DIGEST=]JSON")
      ->allow_extra_args(false);
  create
      .add_option("--allow-volume", options.volumes,
                  "Allow the host to mount an empty volume (emptyDir) at this path; repeatable. It "
                  "hides what the image has there. DIGEST= in front: for that image only")
      ->type_name("[DIGEST=]PATH")
      ->allow_extra_args(false);
}

void AddGuestRules(CLI::App& create, initdata::GuestPolicy& policy) {
  create
      .add_option("--allow-env", policy.allow_env,
                  "Allow the host to set this environment variable, NAME, or all that begin so, "
                  "PREFIX*; repeatable. A prefix never covers variables that make programs load "
                  "code, such as LD_PRELOAD")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  create.add_flag("--allow-stdin", policy.allow_stdin,
                  "Allow the host to write to the standard input of containers and execs, and "
                  "allow them a terminal, unless --hide-output is given. A shell then runs "
                  "whatever the host types");
  create.add_flag("--allow-network", policy.allow_network,
                  "Connect pods to the network that the host gives them (default: a loopback "
                  "interface only)");
  create.add_flag("--hide-output", policy.hide_output,
                  "Keep what containers and execs print inside the guest. The host's logs stay "
                  "empty, and terminals are refused");
  create.add_flag("--allow-all-syscalls", policy.allow_all_syscalls,
                  "Run containers without a seccomp profile. The guest's kernel is then less "
                  "protected from them");
}

void AddCreate(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* create = group.add_subcommand("create", "Write initdata: what the guest may run");
  create->footer(
      "The guest refuses what no option allows. --allow-digest or --allow-keyed is needed. An "
      "image that DIGEST= names needs --allow-digest, too, unless --allow-keyed is given.\n\n"
      "Examples:\n"
      "  locket initdata create --broker-url https://broker.example:8443 \\\n"
      "    --broker-ca ca.pem --allow-digest sha256:... -o app.toml\n"
      "  locket initdata create --allow-digest sha256:... \\\n"
      "    --allow-command '[\"/bin/sh\",\"-c\",\"date\"]' --allow-env 'KUBERNETES_*'");
  auto options = std::make_shared<CreateOptions>();
  create
      ->add_option("--broker-url", options->broker_url,
                   "Key broker that the guest asks for keys, https://HOST[:PORT] (default: none, "
                   "so that encrypted layers cannot be opened). Needs --broker-ca")
      ->type_name("URL");
  create
      ->add_option("--broker-ca", options->ca_file,
                   "CA certificate in PEM, the only CA that the guest trusts for the broker. "
                   "Needed with --broker-url")
      ->type_name("FILE");
  AddImageRules(*create, *options);
  AddGuestRules(*create, options->policy);
  create
      ->add_option("-o,--output", options->output,
                   "File to write the initdata to (default: standard output)")
      ->type_name("FILE");
  create->callback([&context, &selected, options] {
    selected.check = [options] { return CheckCreate(*options); };
    selected.run = [&context, options] { return Create(*options, context); };
  });
}

using Transform = std::function<Result<std::string>(std::string_view toml)>;

void AddReader(CLI::App& group, const std::string& name, const std::string& description,
               const std::string& use, const Transform& transform, Context& context,
               Selected& selected) {
  CLI::App* command = group.add_subcommand(name, description);
  command->footer(use + "\n\nExample:\n  locket initdata " + name + " app.toml");
  auto file = std::make_shared<std::string>();
  command->add_option("FILE", *file, "Initdata in TOML")->type_name("")->required();
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
  CLI::App* group = app.add_subcommand("initdata", "Write and read the tenant's rules for a guest");
  group->require_subcommand(1);
  AddCreate(*group, context, selected);
  AddReader(
      *group, "digest", "Print the digest of the initdata in hex",
      "Its first 64 hex digits are the host data of 'locket broker allow --host-data'.",
      [](std::string_view toml) -> Result<std::string> {
        LOCKET_TRY_ASSIGN(const auto initdata, initdata::DecodeInitdata(toml));
        return HexEncode(initdata::InitdataDigest(initdata.algorithm, toml));
      },
      context, selected);
  AddReader(
      *group, "annotation", "Print the value of the pod annotation cc_init_data for Kubernetes",
      "The annotation's full name is io.katacontainers.config.hypervisor.cc_init_data.",
      [](std::string_view toml) -> Result<std::string> {
        LOCKET_TRY(initdata::DecodeInitdata(toml));
        return initdata::EncodeInitdataAnnotation(toml);
      },
      context, selected);
}

}  // namespace locket::cli
