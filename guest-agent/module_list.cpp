#include "guest-agent/module_list.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/log.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kMaxListBytes = 64 * 1024;

Result<ModuleEntry> ParseLine(std::string_view line) {
  const auto space = line.find(' ');
  const std::string_view kind = line.substr(0, space);
  std::string_view file =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  std::string_view parameters;
  if (const auto end = file.find(' '); end != std::string_view::npos) {
    parameters = file.substr(end + 1);
    if (parameters.find('=') == std::string_view::npos) file = {};
    file = file.substr(0, end);
  }
  if ((kind != "required" && kind != "optional") || !file.ends_with(".ko") ||
      file.find('/') != std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + std::string(line) + "' is not 'required|optional NAME.ko PARAMETERS'");
  }
  return ModuleEntry{.file = std::string(file),
                     .required = kind == "required",
                     .parameters = std::string(parameters)};
}

Status LoadModule(const std::filesystem::path& path, const std::string& parameters) {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(path, O_RDONLY));
  if (::syscall(SYS_finit_module, file.get(), parameters.c_str(), 0) == 0 || errno == EEXIST)
    return Ok();
  return Error::FromErrno(errno, "load module '" + path.filename().string() + "'");
}

}  // namespace

Result<std::vector<ModuleEntry>> ParseModuleList(std::string_view text) {
  std::vector<ModuleEntry> entries;
  while (!text.empty()) {
    const auto end = text.find('\n');
    LOCKET_TRY_ASSIGN(auto entry, ParseLine(text.substr(0, end)));
    entries.push_back(std::move(entry));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return entries;
}

Status LoadModules(const std::filesystem::path& list) {
  LOCKET_TRY_ASSIGN(const auto text, ReadFile(list, kMaxListBytes));
  LOCKET_TRY_ASSIGN(const auto entries, ParseModuleList(text).While(list.filename().string()));
  for (const ModuleEntry& entry : entries) {
    Status loaded = LoadModule(list.parent_path() / entry.file, entry.parameters);
    if (loaded.ok()) continue;
    if (entry.required) return std::move(loaded).error();
    log::Debug("module left out", {log::Field(loaded.error())});
  }
  return Ok();
}

}  // namespace locket::guest_agent
