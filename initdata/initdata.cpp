#include "initdata/initdata.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <toml.hpp>
#include <utility>

#include "base/toml_mistake.h"
#include "initdata/toml_document.h"

namespace locket::initdata {
namespace {

constexpr std::string_view kVersion = "0.1.0";
constexpr size_t kMaxListEntries = 1024;
constexpr std::pair<InitdataAlgorithm, std::string_view> kAlgorithms[] = {
    {InitdataAlgorithm::kSha256, "sha256"},
    {InitdataAlgorithm::kSha384, "sha384"},
    {InitdataAlgorithm::kSha512, "sha512"}};

Error Bad(std::string why) { return {ErrorCode::kInvalidArgument, std::move(why)}; }

Result<toml::table> ParseToml(std::string_view text) {
  LOCKET_TRY(CheckTomlBounds(text, kMaxInitdataBytes));
  try {
    std::istringstream in{std::string(text)};
    toml::value document = toml::parse(in, "document");
    return std::move(document.as_table());
  } catch (const std::exception& e) {
    return Bad("not TOML: " + TomlMistake(e.what()));
  }
}

// Tables from outside, field by field; what nobody took is unknown and refused.
class TableReader {
 public:
  TableReader(toml::table table, std::string name)
      : table_(std::move(table)), name_(std::move(name)) {}

  Result<std::string> Text(const std::string& key) {
    const auto found = table_.find(key);
    if (found == table_.end()) return Bad("'" + name_ + key + "' is missing");
    if (!found->second.is_string()) return Bad("'" + name_ + key + "' is not text");
    std::string text = found->second.as_string().str;
    table_.erase(found);
    return text;
  }
  Result<bool> OptionalBool(const std::string& key) {
    const auto found = table_.find(key);
    if (found == table_.end()) return false;
    if (!found->second.is_boolean()) return Bad("'" + name_ + key + "' is not true or false");
    const bool value = found->second.as_boolean();
    table_.erase(found);
    return value;
  }
  Result<toml::array> OptionalList(const std::string& key) {
    const auto found = table_.find(key);
    if (found == table_.end()) return toml::array{};
    if (!found->second.is_array()) return Bad("'" + name_ + key + "' is not a list");
    toml::array list = std::move(found->second.as_array());
    table_.erase(found);
    if (list.size() <= kMaxListEntries) return list;
    return Bad("'" + name_ + key + "' has more than 1024 entries");
  }
  Result<std::optional<TableReader>> OptionalTable(const std::string& key) {
    const auto found = table_.find(key);
    if (found == table_.end()) return std::optional<TableReader>();
    if (!found->second.is_table()) return Bad("'" + name_ + key + "' is not a table");
    TableReader reader(std::move(found->second.as_table()), name_ + key + ".");
    table_.erase(found);
    return std::optional<TableReader>(std::move(reader));
  }
  Status Finish() const {
    if (table_.empty()) return Ok();
    return Bad("'" + name_ + Keys().front() + "' is unknown");
  }
  const toml::table& rest() const { return table_; }
  // The names of what nobody took yet, in order.
  std::vector<std::string> Keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : table_) keys.push_back(key);
    std::ranges::sort(keys);
    return keys;
  }

 private:
  toml::table table_;
  std::string name_;
};

Result<std::vector<std::string>> TextList(const toml::array& list, const std::string& name) {
  std::vector<std::string> texts;
  for (const auto& item : list) {
    if (!item.is_string()) return Bad("'" + name + "': an entry is not text");
    texts.push_back(item.as_string().str);
  }
  return texts;
}

Status CheckBroker(const BrokerPolicy& broker) {
  constexpr std::string_view kHttps = "https://";
  if (!broker.url.starts_with(kHttps) || broker.url.size() == kHttps.size()) {
    return Bad("'broker.url' does not begin with https:// and a host");
  }
  if (broker.ca.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return Bad("'broker.ca' holds no PEM certificate");
  }
  return Ok();
}

Status ReadBroker(TableReader& document, GuestPolicy& policy) {
  LOCKET_TRY_ASSIGN(auto table, document.OptionalTable("broker"));
  if (!table) return Ok();
  LOCKET_TRY_ASSIGN(std::string url, table->Text("url"));
  LOCKET_TRY_ASSIGN(std::string ca, table->Text("ca"));
  LOCKET_TRY(table->Finish());
  policy.broker = BrokerPolicy{.url = std::move(url), .ca = std::move(ca)};
  return CheckBroker(*policy.broker);
}

Status ReadImage(TableReader& document, GuestPolicy& policy) {
  LOCKET_TRY_ASSIGN(auto table, document.OptionalTable("image"));
  if (!table) return Bad("'image' is missing: without it no image may run");
  LOCKET_TRY_ASSIGN(const auto list, table->OptionalList("allowed_digests"));
  LOCKET_TRY_ASSIGN(const auto digests, TextList(list, "image.allowed_digests"));
  for (const auto& text : digests) {
    LOCKET_TRY_ASSIGN(const auto digest,
                      image::Digest::FromText(text).While("'image.allowed_digests'"));
    policy.allowed_digests.push_back(digest);
  }
  LOCKET_TRY_ASSIGN(policy.allow_keyed, table->OptionalBool("allow_keyed"));
  return table->Finish();
}

// A variable's name, or the beginning of one and a star.
bool IsEnvPattern(std::string_view pattern) {
  if (pattern.ends_with('*')) {
    pattern.remove_suffix(1);
  }
  if (pattern.empty()) return false;
  return std::ranges::none_of(
      pattern, [](char c) { return c == '*' || c == '=' || c == ' ' || c == '\0' || c == '\n'; });
}

using Commands = std::vector<std::vector<std::string>>;

// Argument vectors under `key` of the table called `name`.
Result<Commands> ReadCommands(TableReader& table, const std::string& name, const std::string& key) {
  LOCKET_TRY_ASSIGN(const auto list, table.OptionalList(key));
  Commands commands;
  for (const auto& command : list) {
    if (!command.is_array() || command.as_array().empty()) {
      return Bad("'" + name + key + "': an entry is not a list of arguments");
    }
    LOCKET_TRY_ASSIGN(auto arguments, TextList(command.as_array(), name + key));
    commands.push_back(std::move(arguments));
  }
  return commands;
}

// `name`: the table's, with a dot behind.
Result<ImageRules> ReadRules(TableReader& table, const std::string& name) {
  ImageRules rules;
  LOCKET_TRY_ASSIGN(rules.allow_commands, ReadCommands(table, name, "allow_commands"));
  LOCKET_TRY_ASSIGN(rules.allow_exec, ReadCommands(table, name, "allow_exec"));
  LOCKET_TRY_ASSIGN(const auto volumes, table.OptionalList("allow_volumes"));
  LOCKET_TRY_ASSIGN(rules.allow_volumes, TextList(volumes, name + "allow_volumes"));
  for (const auto& path : rules.allow_volumes) {
    LOCKET_TRY(CheckVolumePath(path).While("'" + name + "allow_volumes'"));
  }
  return rules;
}

// [agent.images."sha256:..."].
Status ReadImageRules(TableReader& agent, GuestPolicy& policy) {
  LOCKET_TRY_ASSIGN(auto images, agent.OptionalTable("images"));
  if (!images) return Ok();
  const auto keys = images->Keys();
  if (keys.size() > kMaxListEntries) return Bad("'agent.images' has more than 1024 entries");
  for (const std::string& key : keys) {
    const std::string name = "agent.images." + key;
    LOCKET_TRY_ASSIGN(const auto digest, image::Digest::FromText(key).While("'" + name + "'"));
    const auto& allowed = policy.allowed_digests;
    if (!policy.allow_keyed && std::ranges::find(allowed, digest) == allowed.end()) {
      return Bad("'" + name + "': the image is not among 'image.allowed_digests'");
    }
    LOCKET_TRY_ASSIGN(auto table, images->OptionalTable(key));
    LOCKET_TRY_ASSIGN(policy.images[digest], ReadRules(*table, name + "."));
    LOCKET_TRY(table->Finish());
  }
  return Ok();
}

Status ReadEnvironment(TableReader& table, GuestPolicy& policy) {
  LOCKET_TRY_ASSIGN(const auto env, table.OptionalList("allow_env"));
  LOCKET_TRY_ASSIGN(policy.allow_env, TextList(env, "agent.allow_env"));
  for (const auto& pattern : policy.allow_env) {
    if (!IsEnvPattern(pattern)) {
      return Bad("'agent.allow_env': '" + pattern + "' is neither a name nor a prefix and '*'");
    }
  }
  return Ok();
}

// After ReadImage.
Status ReadAgent(TableReader& document, GuestPolicy& policy) {
  LOCKET_TRY_ASSIGN(auto table, document.OptionalTable("agent"));
  if (!table) return Ok();
  LOCKET_TRY_ASSIGN(policy.every_image, ReadRules(*table, "agent."));
  LOCKET_TRY(ReadImageRules(*table, policy));
  LOCKET_TRY(ReadEnvironment(*table, policy));
  LOCKET_TRY_ASSIGN(policy.allow_stdin, table->OptionalBool("allow_stdin"));
  LOCKET_TRY_ASSIGN(policy.allow_network, table->OptionalBool("allow_network"));
  LOCKET_TRY_ASSIGN(policy.hide_output, table->OptionalBool("hide_output"));
  LOCKET_TRY_ASSIGN(policy.allow_all_syscalls, table->OptionalBool("allow_all_syscalls"));
  return table->Finish();
}

Result<InitdataAlgorithm> ParseAlgorithm(std::string_view text) {
  for (const auto& [algorithm, name] : kAlgorithms) {
    if (name == text) return algorithm;
  }
  return Bad("'algorithm': '" + std::string(text) + "' is none of sha256, sha384, sha512");
}

std::string QuotedList(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const auto& text : texts) list += (list.size() == 1 ? "" : ", ") + QuoteToml(text);
  return list + "]";
}

Result<Initdata> ReadInitdata(std::string_view text) {
  LOCKET_TRY_ASSIGN(toml::table parsed, ParseToml(text));
  TableReader document(std::move(parsed), "");
  LOCKET_TRY_ASSIGN(const std::string version, document.Text("version"));
  if (version != kVersion) return Bad("'version': only '0.1.0' is known here");
  LOCKET_TRY_ASSIGN(const std::string algorithm, document.Text("algorithm"));
  Initdata initdata;
  LOCKET_TRY_ASSIGN(initdata.algorithm, ParseAlgorithm(algorithm));
  LOCKET_TRY_ASSIGN(const auto data, document.OptionalTable("data"));
  LOCKET_TRY(document.Finish());
  if (!data) return initdata;
  for (const auto& [key, value] : data->rest()) {
    if (!value.is_string()) return Bad("'data." + key + "' is not text");
    initdata.data.emplace(key, value.as_string().str);
  }
  return initdata;
}

Result<GuestPolicy> ReadPolicy(std::string_view text) {
  LOCKET_TRY_ASSIGN(toml::table parsed, ParseToml(text));
  TableReader document(std::move(parsed), "");
  GuestPolicy policy;
  LOCKET_TRY(ReadBroker(document, policy));
  LOCKET_TRY(ReadImage(document, policy));
  LOCKET_TRY(ReadAgent(document, policy));
  LOCKET_TRY(document.Finish());
  return policy;
}

std::string QuotedCommands(const Commands& commands) {
  std::string text = "[";
  for (size_t i = 0; i < commands.size(); ++i) {
    text += (i == 0 ? "" : ", ") + QuotedList(commands[i]);
  }
  return text + "]";
}

std::string EncodeRules(const ImageRules& rules) {
  std::string text;
  if (!rules.allow_commands.empty()) {
    text += "allow_commands = " + QuotedCommands(rules.allow_commands) + "\n";
  }
  if (!rules.allow_exec.empty()) text += "allow_exec = " + QuotedCommands(rules.allow_exec) + "\n";
  if (!rules.allow_volumes.empty()) {
    text += "allow_volumes = " + QuotedList(rules.allow_volumes) + "\n";
  }
  return text;
}

// Empty if nothing differs from the defaults.
std::string EncodeAgentPart(const GuestPolicy& policy) {
  std::string text = EncodeRules(policy.every_image);
  if (!policy.allow_env.empty()) text += "allow_env = " + QuotedList(policy.allow_env) + "\n";
  if (policy.allow_stdin) text += "allow_stdin = true\n";
  if (policy.allow_network) text += "allow_network = true\n";
  if (policy.hide_output) text += "hide_output = true\n";
  if (policy.allow_all_syscalls) text += "allow_all_syscalls = true\n";
  if (!text.empty()) text.insert(0, "\n[agent]\n");
  for (const auto& [digest, rules] : policy.images) {
    text += "\n[agent.images." + QuoteTomlKey(digest.ToText()) + "]\n" + EncodeRules(rules);
  }
  return text;
}

}  // namespace

Result<Initdata> DecodeInitdata(std::string_view toml) {
  return ReadInitdata(toml).While("read initdata");
}

std::string EncodeInitdata(const Initdata& initdata) {
  std::string text;
  for (const auto& [algorithm, name] : kAlgorithms) {
    if (algorithm == initdata.algorithm) text = "algorithm = \"" + std::string(name) + "\"\n";
  }
  text += "version = \"" + std::string(kVersion) + "\"\n\n[data]\n";
  for (const auto& [key, value] : initdata.data) {
    text += QuoteTomlKey(key) + " = " + QuoteToml(value) + "\n";
  }
  return text;
}

Status CheckVolumePath(const std::string& path) {
  const std::filesystem::path parsed(path);
  if (!parsed.is_absolute() || parsed.lexically_normal().native() != path || path.ends_with('/') ||
      path.find('\0') != std::string::npos) {
    return Bad("'" + path + "' is not an absolute path in normal form");
  }
  for (const std::string_view own : {"/proc", "/sys", "/dev"}) {
    if (path != own && !path.starts_with(std::string(own) + "/")) continue;
    if (path == "/dev/shm") return Ok();
    return Bad("'" + path + "' is the guest's own");
  }
  return Ok();
}

bool IsLoaderVariable(std::string_view name) {
  // Of the C library, shells, and interpreters.
  static constexpr std::string_view kNames[] = {"BASH_ENV",
                                                "CLASSPATH",
                                                "ENV",
                                                "GCONV_PATH",
                                                "GEM_HOME",
                                                "GEM_PATH",
                                                "GLIBC_TUNABLES",
                                                "IFS",
                                                "JDK_JAVA_OPTIONS",
                                                "LOCPATH",
                                                "LUA_CPATH",
                                                "LUA_INIT",
                                                "LUA_PATH",
                                                "NODE_OPTIONS",
                                                "NODE_PATH",
                                                "OPENSSL_CONF",
                                                "OPENSSL_MODULES",
                                                "PATH",
                                                "PERL5DB",
                                                "PERL5LIB",
                                                "PERL5OPT",
                                                "PERLLIB",
                                                "PROMPT_COMMAND",
                                                "PS4",
                                                "RUBYLIB",
                                                "RUBYOPT",
                                                "SHELLOPTS",
                                                "_JAVA_OPTIONS",
                                                "JAVA_TOOL_OPTIONS"};
  return name.starts_with("LD_") || name.starts_with("PYTHON") || name.starts_with("BASH_FUNC_") ||
         std::ranges::find(kNames, name) != std::end(kNames);
}

Result<GuestPolicy> DecodeGuestPolicy(std::string_view toml) {
  return ReadPolicy(toml).While("read locket.toml");
}

std::string EncodeGuestPolicy(const GuestPolicy& policy) {
  std::string text;
  if (policy.broker) {
    text += "[broker]\nurl = " + QuoteToml(policy.broker->url) +
            "\nca = " + QuoteToml(policy.broker->ca) + "\n\n";
  }
  std::vector<std::string> digests;
  for (const auto& digest : policy.allowed_digests) digests.push_back(digest.ToText());
  text += "[image]\nallowed_digests = " + QuotedList(digests) +
          "\nallow_keyed = " + (policy.allow_keyed ? "true" : "false") + "\n";
  return text + EncodeAgentPart(policy);
}

Result<GuestPolicy> PolicyOf(const Initdata& initdata) {
  const auto found = initdata.data.find(std::string(kPolicyKey));
  if (found != initdata.data.end()) return DecodeGuestPolicy(found->second);
  return Error(ErrorCode::kNotFound, "initdata holds no 'locket.toml', so no image may run");
}

}  // namespace locket::initdata
