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
  const std::string_view file =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  if ((kind != "required" && kind != "optional") || !file.ends_with(".ko") ||
      file.find_first_of("/ ") != std::string_view::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "module list: '" + std::string(line) + "' is not 'required|optional NAME.ko'");
  }
  return ModuleEntry{.file = std::string(file), .required = kind == "required"};
}

Status LoadModule(const std::filesystem::path& path) {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(path, O_RDONLY));
  if (::syscall(SYS_finit_module, file.get(), "", 0) == 0 || errno == EEXIST) return Ok();
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
  LOCKET_TRY_ASSIGN(const auto entries, ParseModuleList(text));
  for (const ModuleEntry& entry : entries) {
    Status loaded = LoadModule(list.parent_path() / entry.file);
    if (loaded.ok()) continue;
    if (entry.required) return std::move(loaded).error();
    log::Debug("module left out", {log::Field(loaded.error())});
  }
  return Ok();
}

}  // namespace locket::guest_agent
