#include "device-plugin/options.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/server_flags.h"
#include "base/toml_table.h"
#include "base/version.h"

namespace locket::device_plugin {
namespace {

constexpr size_t kMaxConfigFileBytes = 1U << 20;
constexpr size_t kMaxDomainBytes = 253;  // as a DNS name, RFC 1035
constexpr size_t kMaxNameBytes = 63;
constexpr int64_t kMost = kMaxGuests;
constexpr int64_t kMaxSeconds = 24 * 3600;

constexpr const char* kExamples =
    "SIGHUP reads the configuration file again.\n"
    "Exits 0 after SIGTERM or SIGINT, 1 for a failure, 2 for a wrong command line.\n"
    "\n"
    "Examples:\n"
    "  locket-device-plugin --list\n"
    "  locket-device-plugin --list --json | jq '.[] | select(.devices > 0)'\n"
    "  locket-device-plugin --config /etc/locket/device-plugin.toml";

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Letters and digits, in between also what `inner` has.
bool IsWord(std::string_view text, std::string_view inner) {
  return !text.empty() && IsAlphanumeric(text.front()) && IsAlphanumeric(text.back()) &&
         std::ranges::all_of(text, [&](char c) {
           return IsAlphanumeric(c) || inner.find(c) != std::string_view::npos;
         });
}

// What Kubernetes calls an extended resource: the kubelet refuses to register anything else.
Status CheckResourceName(const std::string& key, const std::string& name) {
  const size_t slash = name.find('/');
  const std::string domain = name.substr(0, slash);
  const bool lower = std::ranges::none_of(domain, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (slash == std::string::npos || domain.size() > kMaxDomainBytes || !lower ||
      !IsWord(domain, "-.") || name.size() - slash - 1 > kMaxNameBytes ||
      !IsWord(name.substr(slash + 1), "-_.")) {
    return WrongKey(key, "must be a domain, a slash and a name, as \"locket.dev/snp\"");
  }
  if (domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") ||
      name.starts_with("requests.")) {
    return WrongKey(key, "must not be a name of Kubernetes' own");
  }
  return Ok();
}

Status TakeResource(TomlTable& root, Resource& resource) {
  const std::string table_name(Name(resource.tee));
  LOCKET_TRY_ASSIGN(TomlTable table, root.TakeTable(table_name.c_str()));
  LOCKET_TRY(table.Take("resource", &resource.name));
  if (resource.tee == Tee::kEmulated) {
    LOCKET_TRY(table.Take("count", 0, kMost, &resource.emulated));
  } else {
    LOCKET_TRY(table.Take("reserved", 0, kMost, &resource.reserved));
  }
  LOCKET_TRY(table.Finish());
  if (resource.name.empty()) return Ok();
  return CheckResourceName(table_name + ".resource", resource.name);
}

Status CheckPath(const char* key, const std::filesystem::path& path) {
  return path.is_absolute() ? Ok() : WrongKey(key, "must be an absolute path");
}

struct Flags {
  std::string config{};
  std::string kubelet_dir{};
  std::string root{};
  LogFlags log{};
  bool list = false;
  bool json = false;
  bool check_config = false;
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--config", flags.config,
                 "Configuration file in TOML. Options given here win over it.\n"
                 "/etc/locket/device-plugin.toml explains every key")
      ->type_name("FILE");
  app.add_option("--kubelet-dir", flags.kubelet_dir,
                 "The kubelet's directory of device plugins\n"
                 "(default: /var/lib/kubelet/device-plugins)")
      ->type_name("DIR");
  app.add_option("--root", flags.root,
                 "Directory below which the kernel's /sys is, for tests\n(default: /)")
      ->type_name("DIR");
  flags.log.AddTo(app);
  auto* list = app.add_flag("--list", flags.list,
                            "Print how many guests this node would announce, and why\n"
                            "not more, then exit");
  app.add_flag("--json", flags.json, "Print the output of --list as JSON")->needs(list);
  app.add_flag("--check-config", flags.check_config, "Check the configuration, then exit")
      ->excludes(list);
  app.set_version_flag("--version", "locket-device-plugin " + std::string(kVersion));
  app.footer(kExamples);
}

Result<Options> Combine(const Flags& flags) {
  Options options;
  if (!flags.config.empty()) {
    LOCKET_TRY_ASSIGN(const std::string text, ReadFile(flags.config, kMaxConfigFileBytes));
    LOCKET_TRY_ASSIGN(options, ParseConfig(text).While("read '" + flags.config + "'"));
  }
  if (!flags.kubelet_dir.empty()) options.kubelet_dir = flags.kubelet_dir;
  if (!flags.root.empty()) options.root = flags.root;
  LOCKET_TRY(CheckPath("--kubelet-dir", options.kubelet_dir));
  LOCKET_TRY(CheckPath("--root", options.root));
  LOCKET_TRY(flags.log.Apply(&options.log_level, &options.log_format));
  return options;
}

Action Chosen(const Flags& flags) {
  if (flags.list) return flags.json ? Action::kListJson : Action::kList;
  return flags.check_config ? Action::kCheckConfig : Action::kServe;
}

}  // namespace

Result<Options> ParseConfig(std::string_view text) {
  Options options;
  LOCKET_TRY_ASSIGN(TomlTable table, TomlTable::Parse(text));
  LOCKET_TRY(table.Take("kubelet_dir", &options.kubelet_dir));
  LOCKET_TRY(CheckPath("kubelet_dir", options.kubelet_dir));
  LOCKET_TRY(table.Take("root", &options.root));
  LOCKET_TRY(CheckPath("root", options.root));
  LOCKET_TRY(table.Take("check_interval_s", 1, kMaxSeconds, &options.check_interval));
  LOCKET_TRY(table.Take("register_timeout_s", 1, kMaxSeconds, &options.register_timeout));
  LOCKET_TRY(TakeLog(table, &options.log_level, &options.log_format));
  std::set<std::string> names;
  for (Resource& resource : options.resources) {
    LOCKET_TRY(TakeResource(table, resource));
    if (!resource.name.empty() && !names.insert(resource.name).second) {
      return WrongKey(std::string(Name(resource.tee)) + ".resource",
                      "'" + resource.name + "' is another TEE's already");
    }
  }
  LOCKET_TRY(table.Finish());
  return options;
}

Result<CommandLine> ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  Flags flags;
  CLI::App app("Tells the kubelet how many confidential guests this node has keys for.",
               "locket-device-plugin");
  Declare(app, flags);
  LOCKET_TRY_ASSIGN(line.print, ParseArguments(app, argc, argv));
  if (line.print) return line;
  line.action = Chosen(flags);
  LOCKET_TRY_ASSIGN(line.options, Combine(flags));
  return line;
}

}  // namespace locket::device_plugin
