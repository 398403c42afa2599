#include "guest-agent/policy/host_request.h"

#include <nlohmann/json.hpp>

namespace locket::guest_agent {
namespace {

using Json = nlohmann::json;

Error Wrong(std::string_view field, std::string_view what) {
  return {ErrorCode::kInvalidArgument,
          "OCI request: " + std::string(field) + " is not " + std::string(what)};
}

// A member of an object, or null when it is absent or JSON null.
const Json* Member(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Result<const Json*> ObjectMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  if (member != nullptr && !member->is_object()) return Wrong(name, "an object");
  return member;
}

Result<bool> BoolMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return false;
  if (!member->is_boolean()) return Wrong(name, "a boolean");
  return member->get<bool>();
}

Result<std::string> TextMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return std::string();
  if (!member->is_string()) return Wrong(name, "text");
  auto text = member->get<std::string>();
  if (text.find('\0') != std::string::npos) return Wrong(name, "text without NUL");
  return text;
}

Result<const Json*> ListMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return member;
  if (!member->is_array()) return Wrong(name, "a list");
  if (member->size() > kMaxHostListEntries) {
    return Wrong(name, "a list of at most " + std::to_string(kMaxHostListEntries) + " entries");
  }
  return member;
}

Result<std::vector<std::string>> TextListMember(const Json& object, const char* name) {
  LOCKET_TRY_ASSIGN(const Json* list, ListMember(object, name));
  std::vector<std::string> texts;
  if (list == nullptr) return texts;
  for (const Json& entry : *list) {
    if (!entry.is_string()) return Wrong(name, "a list of texts");
    texts.push_back(entry.get<std::string>());
    if (texts.back().find('\0') != std::string::npos) return Wrong(name, "text without NUL");
  }
  return texts;
}

template <typename Number>
Result<std::optional<Number>> NumberMember(const Json& object, const char* name) {
  const Json* member = Member(object, name);
  if (member == nullptr) return std::optional<Number>();
  if constexpr (std::is_signed_v<Number>) {
    // A number over 2^63 is stored unsigned; as a limit it means none.
    if (!member->is_number_integer() ||
        (member->is_number_unsigned() && member->get<uint64_t>() > INT64_MAX)) {
      return Wrong(name, "a signed 64-bit integer");
    }
  } else {
    if (!member->is_number_unsigned()) return Wrong(name, "an unsigned integer");
  }
  return std::optional(member->get<Number>());
}

Status DecodeRlimits(const Json& process, HostRequest& request) {
  LOCKET_TRY_ASSIGN(const Json* list, ListMember(process, "rlimits"));
  if (list == nullptr) return Ok();
  for (const Json& entry : *list) {
    if (!entry.is_object()) return Wrong("rlimits", "a list of objects");
    LOCKET_TRY_ASSIGN(auto type, TextMember(entry, "type"));
    LOCKET_TRY_ASSIGN(const auto soft, NumberMember<uint64_t>(entry, "soft"));
    LOCKET_TRY_ASSIGN(const auto hard, NumberMember<uint64_t>(entry, "hard"));
    if (!soft || !hard) return Wrong("rlimits", "a list of soft and hard limits");
    request.rlimits.push_back({.type = std::move(type), .soft = *soft, .hard = *hard});
  }
  return Ok();
}

Status DecodeProcess(const Json& process, HostRequest& request) {
  LOCKET_TRY_ASSIGN(request.args, TextListMember(process, "args"));
  LOCKET_TRY_ASSIGN(request.env, TextListMember(process, "env"));
  LOCKET_TRY_ASSIGN(request.terminal, BoolMember(process, "terminal"));
  LOCKET_TRY_ASSIGN(request.no_new_privileges, BoolMember(process, "noNewPrivileges"));
  LOCKET_TRY_ASSIGN(const Json* user, ObjectMember(process, "user"));
  if (user != nullptr) {
    LOCKET_TRY_ASSIGN(request.uid, NumberMember<uint64_t>(*user, "uid"));
    LOCKET_TRY_ASSIGN(const Json* groups, ListMember(*user, "additionalGids"));
    for (size_t i = 0; groups != nullptr && i < groups->size(); ++i) {
      const Json& group = (*groups)[i];
      if (!group.is_number_unsigned()) return Wrong("additionalGids", "a list of numbers");
      request.groups.push_back(group.get<uint64_t>());
    }
  }
  LOCKET_TRY_ASSIGN(const Json* capabilities, ObjectMember(process, "capabilities"));
  if (capabilities != nullptr) {
    LOCKET_TRY_ASSIGN(request.capabilities, TextListMember(*capabilities, "bounding"));
  }
  return DecodeRlimits(process, request);
}

Status DecodeMounts(const Json& root, HostRequest& request) {
  LOCKET_TRY_ASSIGN(const Json* mounts, ListMember(root, "mounts"));
  if (mounts == nullptr) return Ok();
  for (const Json& mount : *mounts) {
    if (!mount.is_object()) return Wrong("mounts", "a list of objects");
    LOCKET_TRY_ASSIGN(auto destination, TextMember(mount, "destination"));
    LOCKET_TRY_ASSIGN(auto source, TextMember(mount, "source"));
    LOCKET_TRY_ASSIGN(auto options, TextListMember(mount, "options"));
    request.mounts.push_back({.destination = std::move(destination),
                              .source = std::move(source),
                              .options = std::move(options)});
  }
  return Ok();
}

Status DecodeResources(const Json& root, HostRequest& request) {
  LOCKET_TRY_ASSIGN(const Json* linux_part, ObjectMember(root, "linux"));
  if (linux_part == nullptr) return Ok();
  LOCKET_TRY_ASSIGN(const Json* sysctls, ObjectMember(*linux_part, "sysctl"));
  if (sysctls != nullptr) {
    if (sysctls->size() > kMaxHostListEntries) return Wrong("sysctl", "as short as it may be");
    for (const auto& [name, value] : sysctls->items()) request.sysctls.push_back(name);
  }
  LOCKET_TRY_ASSIGN(const Json* resources, ObjectMember(*linux_part, "resources"));
  if (resources == nullptr) return Ok();
  LOCKET_TRY_ASSIGN(const Json* memory, ObjectMember(*resources, "memory"));
  if (memory != nullptr) {
    LOCKET_TRY_ASSIGN(request.memory_limit, NumberMember<int64_t>(*memory, "limit"));
  }
  LOCKET_TRY_ASSIGN(const Json* cpu, ObjectMember(*resources, "cpu"));
  if (cpu != nullptr) {
    LOCKET_TRY_ASSIGN(request.cpu_shares, NumberMember<uint64_t>(*cpu, "shares"));
    LOCKET_TRY_ASSIGN(request.cpu_quota, NumberMember<int64_t>(*cpu, "quota"));
    LOCKET_TRY_ASSIGN(request.cpu_period, NumberMember<uint64_t>(*cpu, "period"));
  }
  LOCKET_TRY_ASSIGN(const Json* pids, ObjectMember(*resources, "pids"));
  if (pids != nullptr) {
    LOCKET_TRY_ASSIGN(request.pids_limit, NumberMember<int64_t>(*pids, "limit"));
  }
  return Ok();
}

// A list of namespaces without one of processes means the host's; a path is another container's.
Status DecodeNamespaces(const Json& root, HostRequest& request) {
  LOCKET_TRY_ASSIGN(const Json* linux_part, ObjectMember(root, "linux"));
  if (linux_part == nullptr) return Ok();
  LOCKET_TRY_ASSIGN(const Json* list, ListMember(*linux_part, "namespaces"));
  if (list == nullptr) return Ok();
  request.joins_processes = true;
  for (const Json& entry : *list) {
    if (!entry.is_object()) return Wrong("namespaces", "a list of objects");
    LOCKET_TRY_ASSIGN(const auto type, TextMember(entry, "type"));
    LOCKET_TRY_ASSIGN(const auto path, TextMember(entry, "path"));
    if (type == "pid" && path.empty()) request.joins_processes = false;
  }
  return Ok();
}

Result<Json> ParseObject(std::string_view json) {
  if (json.size() > kMaxHostRequestBytes) {
    return Error(ErrorCode::kInvalidArgument, "OCI request: " + std::to_string(json.size()) +
                                                  " bytes, more than " +
                                                  std::to_string(kMaxHostRequestBytes));
  }
  Json root = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return Wrong("the document", "a JSON object");
  return root;
}

}  // namespace

Result<HostRequest> DecodeHostProcess(std::string_view json) {
  LOCKET_TRY_ASSIGN(const Json process, ParseObject(json));
  HostRequest request;
  LOCKET_TRY(DecodeProcess(process, request));
  return request;
}

Result<HostRequest> DecodeHostRequest(std::string_view json) {
  LOCKET_TRY_ASSIGN(const Json root, ParseObject(json));
  HostRequest request;
  LOCKET_TRY_ASSIGN(const Json* process, ObjectMember(root, "process"));
  if (process == nullptr) return Wrong("process", "there");
  LOCKET_TRY(DecodeProcess(*process, request));
  LOCKET_TRY_ASSIGN(request.hostname, TextMember(root, "hostname"));
  LOCKET_TRY_ASSIGN(const Json* rootfs, ObjectMember(root, "root"));
  if (rootfs != nullptr) {
    LOCKET_TRY_ASSIGN(request.read_only_root, BoolMember(*rootfs, "readonly"));
  }
  LOCKET_TRY(DecodeMounts(root, request));
  LOCKET_TRY(DecodeNamespaces(root, request));
  LOCKET_TRY(DecodeResources(root, request));
  return request;
}

}  // namespace locket::guest_agent
