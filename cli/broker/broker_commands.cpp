#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "attest/kbs/broker_admin_client.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/broker/broker_policy.h"
#include "cli/commands.h"
#include "cli/key.h"

namespace locket::cli {
namespace {

using attest::BrokerAdminClient;

constexpr size_t kMaxCaFile = 1U << 20;
constexpr size_t kMaxAdminKeyFile = 64U << 10;
constexpr size_t kMaxResourceFile = 1U << 20;
constexpr int kMaxTcbPart = 255;

struct Connection {
  std::string url;
  std::string ca_file;
  std::string admin_key_file;
};

std::shared_ptr<Connection> AddConnection(CLI::App& command, const Context& context) {
  const auto& env = context.environment;
  auto connection = std::make_shared<Connection>(
      Connection{.url = env("LOCKET_BROKER_URL").value_or(""),
                 .ca_file = env("LOCKET_BROKER_CA").value_or(""),
                 .admin_key_file = env("LOCKET_BROKER_ADMIN_KEY").value_or("")});
  command
      .add_option("--url", connection->url,
                  "Key broker to talk to, https://HOST[:PORT] (default: the environment variable "
                  "LOCKET_BROKER_URL)")
      ->type_name("URL");
  command
      .add_option("--ca", connection->ca_file,
                  "CA certificate in PEM, the only CA trusted for the broker (default: the "
                  "environment variable LOCKET_BROKER_CA)")
      ->type_name("FILE");
  command
      .add_option("--admin-key", connection->admin_key_file,
                  "Private key of the administrator, Ed25519 in PEM (default: the environment "
                  "variable LOCKET_BROKER_ADMIN_KEY)")
      ->type_name("FILE");
  return connection;
}

Status CheckConnection(const Connection& connection) {
  if (connection.url.empty()) return Usage("give --url or set LOCKET_BROKER_URL");
  if (connection.ca_file.empty()) return Usage("give --ca or set LOCKET_BROKER_CA");
  if (connection.admin_key_file.empty()) {
    return Usage("give --admin-key or set LOCKET_BROKER_ADMIN_KEY");
  }
  return Ok();
}

Result<BrokerAdminClient> Connect(const Connection& connection, const Clock& clock) {
  LOCKET_TRY_ASSIGN(std::string ca, ReadFile(connection.ca_file, kMaxCaFile).While("broker CA"));
  LOCKET_TRY_ASSIGN(Secret key,
                    ReadSecretFile(connection.admin_key_file, kMaxAdminKeyFile).While("admin key"));
  return BrokerAdminClient::Create(
      {.url = connection.url, .ca_pem = std::move(ca), .private_key_pem = std::move(key)}, clock);
}

// What all commands share: check, connect, act, report.
using Action = std::function<Status(BrokerAdminClient& client)>;

void Select(Selected& selected, const std::shared_ptr<Connection>& connection,
            const std::function<Status()>& check, const std::string& doing, const Action& action) {
  selected.check = [connection, check]() -> Status {
    LOCKET_TRY(CheckConnection(*connection));
    return check();
  };
  selected.run = [connection, doing, action]() -> Result<int> {
    const SystemClock clock;
    const std::string where = "broker '" + connection->url + "': ";
    LOCKET_TRY_ASSIGN(auto client, Connect(*connection, clock).While(where + doing));
    LOCKET_TRY(action(client).While(where + doing));
    return 0;
  };
}

Status CheckUri(const std::string& uri) {
  LOCKET_TRY(ResourceName::FromUri(uri).While("URI"));
  return Ok();
}

void AddUri(CLI::App& command, std::string& uri) {
  command.add_option("URI", uri, "Name of the resource, kbs:///repo/type/tag")
      ->type_name("")
      ->required();
}

void AddSetResource(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* command = group.add_subcommand("set-resource", "Store a file as a resource");
  command->footer(
      "Replaces what was stored under this name. Without a release policy ('locket broker allow') "
      "no guest gets the resource.\n\n"
      "Example:\n"
      "  locket broker set-resource kbs:///team/key/app kek.bin");
  auto uri = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  AddUri(*command, *uri);
  command->add_option("FILE", *file, "File with the content of the resource, at most 1 MiB")
      ->type_name("")
      ->required();
  const auto connection = AddConnection(*command, context);
  command->callback([&context, &selected, connection, uri, file] {
    Select(
        selected, connection, [uri] { return CheckUri(*uri); }, "set resource '" + *uri + "'",
        [&context, uri, file](BrokerAdminClient& client) -> Status {
          LOCKET_TRY_ASSIGN(const Secret content, ReadSecretFile(*file, kMaxResourceFile));
          LOCKET_TRY_ASSIGN(const auto path, ResourceName::FromUri(*uri));
          LOCKET_TRY(client.SetResource(path, content.Reveal()));
          context.out << "stored " << *uri << "\n";
          return Ok();
        });
  });
}

using UriAction = Status (BrokerAdminClient::*)(const ResourceName&);

void AddUriCommand(CLI::App& group, const std::string& name, const std::string& description,
                   const std::string& done, UriAction action, Context& context,
                   Selected& selected) {
  CLI::App* command = group.add_subcommand(name, description);
  command->footer("Example:\n  locket broker " + name + " kbs:///team/key/app");
  auto uri = std::make_shared<std::string>();
  AddUri(*command, *uri);
  const auto connection = AddConnection(*command, context);
  command->callback([&context, &selected, connection, uri, name, done, action] {
    Select(
        selected, connection, [uri] { return CheckUri(*uri); }, name + " '" + *uri + "'",
        [&context, uri, done, action](BrokerAdminClient& client) -> Status {
          LOCKET_TRY_ASSIGN(const auto path, ResourceName::FromUri(*uri));
          LOCKET_TRY((client.*action)(path));
          context.out << done << " " << *uri << "\n";
          return Ok();
        });
  });
}

Status List(BrokerAdminClient& client, bool json, Context& context) {
  LOCKET_TRY_ASSIGN(const auto resources, client.ListResources());
  LOCKET_TRY_ASSIGN(const auto policies, client.ListReleasePolicies());
  if (json) {
    nlohmann::ordered_json all = {{"resources", nlohmann::ordered_json::array()},
                                  {"policies", nlohmann::ordered_json::array()}};
    for (const auto& path : resources) all["resources"].push_back(path.ToUri());
    for (const auto& policy : policies) {
      all["policies"].push_back(
          nlohmann::ordered_json::parse(attest::EncodeReleasePolicy(policy), nullptr, false));
    }
    context.out << all.dump(2) << "\n";
    return Ok();
  }
  context.out << "resources:\n";
  for (const auto& path : resources) {
    const bool ruled = std::any_of(policies.begin(), policies.end(),
                                   [&](const auto& policy) { return policy.resource == path; });
    context.out << "  " << path.ToUri() << (ruled ? "" : "  (no release policy: nobody gets it)")
                << "\n";
  }
  context.out << "release policies:\n";
  for (const auto& policy : policies) context.out << DescribePolicy(policy);
  return Ok();
}

void AddList(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* command = group.add_subcommand("list", "List resources and release policies");
  command->footer(
      "Never prints what a resource contains.\n\n"
      "Examples:\n"
      "  locket broker list\n"
      "  locket broker list --json");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  const auto connection = AddConnection(*command, context);
  command->callback([&context, &selected, connection, json] {
    Select(
        selected, connection, [] { return Ok(); }, "list",
        [&context, json](BrokerAdminClient& client) { return List(client, *json, context); });
  });
}

Status CheckAllow(const AllowRequest& request) {
  LOCKET_TRY(CheckUri(request.uri));
  if (request.guest_image_files.empty() && request.measurements.empty()) {
    return Usage("give the guests that may have it: --guest-image or --measurement");
  }
  if (request.initdata_files.empty() && request.host_data.empty()) {
    return Usage("give the initdata that they must have: --initdata or --host-data");
  }
  return CheckOptions(request);
}

void AddTcbOptions(CLI::App& command, MinTcbOptions& tcb) {
  const auto add = [&](const char* name, std::optional<uint8_t>& part, const char* what) {
    command
        .add_option_function<int>(
            name, [&part](const int& value) { part = static_cast<uint8_t>(value); }, what)
        ->type_name("N")
        ->check(CLI::Range(0, kMaxTcbPart).description(""));
  };
  add("--min-tcb-boot-loader", tcb.boot_loader,
      "Least patch level of the AMD secure processor's boot loader, 0 to 255");
  add("--min-tcb-tee", tcb.tee,
      "Least patch level of the AMD secure processor's operating system, 0 to 255");
  add("--min-tcb-snp", tcb.snp, "Least patch level of the SNP firmware, 0 to 255");
  add("--min-tcb-microcode", tcb.microcode,
      "Least patch level of the processor's microcode, 0 to 255");
  add("--min-tcb-fmc", tcb.fmc,
      "Least patch level of the FMC, 0 to 255. Say 0 for processors before Turin");
  command.add_flag("--min-tcb-any", tcb.any,
                   "Accept every patch level, also of firmware with known holes. --tee snp needs "
                   "either this or the other five --min-tcb options");
}

void AddPlatformOptions(CLI::App& command, AllowRequest& request) {
  command
      .add_option("--require-platform", request.platform_required,
                  "Setting of the host that the report's platform_info must show: smt, tsme, ecc, "
                  "rapl_disabled, ciphertext_hiding, alias_check_complete or tio; repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      .add_option("--refuse-platform", request.platform_refused,
                  "Setting of the host that the report's platform_info must not show: smt, tsme, "
                  "ecc, rapl_disabled, ciphertext_hiding, alias_check_complete or tio; repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

void AddGuestOptions(CLI::App& command, AllowRequest& request) {
  command
      .add_option("--tee", request.tees,
                  "TEE of the guest; repeatable. The emulated TEE protects nothing")
      ->type_name("TEE")
      ->required()
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"snp", "emulated"}));
  command
      .add_option("--guest-image", request.guest_image_files,
                  "guest-image.json of a guest image that may run; repeatable. The measurement is "
                  "read from it")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option(
          "--measurement", request.measurements,
          "Launch measurement of a guest that may run, 96 lower-case hex digits; repeatable")
      ->type_name("HEX")
      ->allow_extra_args(false);
  command
      .add_option("--initdata", request.initdata_files,
                  "Initdata in TOML that the guest must have been started with; repeatable")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command
      .add_option("--host-data", request.host_data,
                  "Host data that the guest must have been started with, 64 lower-case hex digits; "
                  "repeatable. It is the beginning of what 'locket initdata digest' prints")
      ->type_name("HEX")
      ->allow_extra_args(false);
  command.add_flag("--allow-debug", request.allow_debug,
                   "Release the resource to guests in debug mode too. The host can read such a "
                   "guest's memory");
}

void AddAllow(CLI::App& group, Context& context, Selected& selected) {
  CLI::App* command = group.add_subcommand("allow", "Set which guests get a resource");
  command->footer(
      "Replaces the release policy of the resource. Needed are --guest-image or --measurement, and "
      "--initdata or --host-data. A guest gets the resource if its TEE, its measurement and its "
      "initdata are each among those given. AMD's security bulletins name patch levels without "
      "known holes.\n\n"
      "Examples:\n"
      "  locket broker allow kbs:///team/key/app --tee snp --measurement HEX \\\n"
      "    --initdata app.toml --min-tcb-boot-loader 4 --min-tcb-tee 0 \\\n"
      "    --min-tcb-snp 24 --min-tcb-microcode 219 --min-tcb-fmc 0\n"
      "  locket broker allow kbs:///team/key/app --tee emulated \\\n"
      "    --guest-image guest-image.json --initdata app.toml");
  auto request = std::make_shared<AllowRequest>();
  AddUri(*command, request->uri);
  AddGuestOptions(*command, *request);
  AddTcbOptions(*command, request->min_tcb);
  AddPlatformOptions(*command, *request);
  const auto connection = AddConnection(*command, context);
  command->callback([&context, &selected, connection, request] {
    Select(
        selected, connection, [request] { return CheckAllow(*request); },
        "allow '" + request->uri + "'",
        [&context, request](BrokerAdminClient& client) -> Status {
          LOCKET_TRY_ASSIGN(const auto policy, MakeReleasePolicy(*request));
          LOCKET_TRY(client.SetReleasePolicy(policy));
          context.out << "release policy set:\n" << DescribePolicy(policy);
          return Ok();
        });
  });
}

}  // namespace

void AddBrokerCommands(CLI::App& app, Context& context, Selected& selected) {
  CLI::App* group = app.add_subcommand("broker", "Fill the key broker");
  group->require_subcommand(1);
  AddSetResource(*group, context, selected);
  AddUriCommand(*group, "delete-resource", "Delete a resource, but not its release policy",
                "deleted", &BrokerAdminClient::DeleteResource, context, selected);
  AddList(*group, context, selected);
  AddAllow(*group, context, selected);
  AddUriCommand(*group, "deny", "Delete a resource's release policy, so that nobody gets it",
                "denied", &BrokerAdminClient::DeleteReleasePolicy, context, selected);
}

}  // namespace locket::cli
