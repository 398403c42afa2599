#include "guest-agent/policy/executable.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/file.h"

namespace locket::guest_agent {
namespace {

constexpr size_t kHeadBytes = 4096;  // execve(2) itself looks at 256
constexpr size_t kMaxLoaderPath = 4096;
constexpr unsigned kMaxSegments = 64;

bool IsBelow(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "/");
}

// Looks at the files of one container.
class Inspector {
 public:
  Inspector(const RootDirectory& root, const std::vector<VolumeMount>& volumes)
      : root_(root), volumes_(volumes) {}

  bool Hidden(const std::string& path) const {
    const auto resolved = root_.Resolve(path);
    return !resolved.ok() || std::ranges::any_of(volumes_, [&](const VolumeMount& volume) {
      return IsBelow(*resolved, volume.destination);
    });
  }
  bool Exists(const std::string& path) const { return Hidden(path) || root_.OpenFile(path).ok(); }

  // Whether nobody may execute it, so that execvp(3) goes on to the next directory of PATH.
  bool LacksPermission(const std::string& path) const;
  // Empty: nothing is wrong with it, or it is not there.
  std::string WhyNot(const std::string& path) const;

 private:
  std::string WhyNotScript(std::string_view head) const;
  std::string WhyNotElf(int file, std::string_view head) const;
  std::string WhyNotLoader(const std::string& loader, const char* what) const;

  const RootDirectory& root_;
  const std::vector<VolumeMount>& volumes_;
};

const char* ProcessorName(uint16_t machine) {
  switch (machine) {
    case EM_AARCH64:
      return "arm64";
    case EM_ARM:
      return "32-bit ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "POWER";
    case EM_S390:
      return "s390x";
    default:
      return "another processor";
  }
}

std::string Inspector::WhyNotLoader(const std::string& loader, const char* what) const {
  if (loader.starts_with('/') && !Exists(loader)) {
    return std::string("its ") + what + " '" + loader + "' is not in the image";
  }
  return "";
}

std::string Inspector::WhyNotScript(std::string_view head) const {
  std::string_view line = head.substr(2, head.substr(2).find('\n'));
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "its first line, #!, names no interpreter";
  line.remove_prefix(begin);
  const std::string interpreter(line.substr(0, line.find_first_of(" \t")));
  if (interpreter.ends_with('\r')) {
    return "its first line ends in a carriage return, so that its interpreter is not found: save "
           "it with Unix line ends";
  }
  return WhyNotLoader(interpreter, "interpreter");
}

// The path that the program's PT_INTERP names.
template <typename Header, typename Segment>
std::optional<std::string> LoaderOf(int file, std::string_view head) {
  Header header{};
  if (head.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, head.data(), sizeof header);
  for (unsigned i = 0; i < std::min<unsigned>(header.e_phnum, kMaxSegments); ++i) {
    Segment segment{};
    const uint64_t at = header.e_phoff + uint64_t{i} * sizeof segment;
    if (at > INT64_MAX / 2) return std::nullopt;
    if (!PreadFull(file, std::as_writable_bytes(std::span(&segment, 1)), at).ok()) break;
    if (segment.p_type != PT_INTERP || segment.p_filesz > kMaxLoaderPath) continue;
    std::string loader(segment.p_filesz, '\0');
    if (segment.p_offset > INT64_MAX / 2 ||
        !PreadFull(file, std::as_writable_bytes(std::span(loader)), segment.p_offset).ok()) {
      break;
    }
    return loader.substr(0, loader.find('\0'));
  }
  return std::nullopt;
}

std::string Inspector::WhyNotElf(int file, std::string_view head) const {
  Elf32_Ehdr common{};  // the fields looked at lie at the same place in both classes
  if (head.size() < sizeof common) return "it is cut short";
  std::memcpy(&common, head.data(), sizeof common);
  const bool wide = common.e_ident[EI_CLASS] == ELFCLASS64;
  if (common.e_ident[EI_DATA] != ELFDATA2LSB || common.e_machine != (wide ? EM_X86_64 : EM_386)) {
    return std::string("exec format error: it is a program for ") +
           ProcessorName(common.e_machine) +
           ", and this guest is x86-64: use the image for linux/amd64";
  }
  if (common.e_type != ET_EXEC && common.e_type != ET_DYN) {
    return "exec format error: it is no program, but an object file or a core dump";
  }
  const auto loader = wide ? LoaderOf<Elf64_Ehdr, Elf64_Phdr>(file, head)
                           : LoaderOf<Elf32_Ehdr, Elf32_Phdr>(file, head);
  return loader ? WhyNotLoader(*loader, "dynamic loader") : "";
}

bool Inspector::LacksPermission(const std::string& path) const {
  const auto file = root_.OpenFile(path);
  struct stat found {};
  return file.ok() && ::fstat(file->get(), &found) == 0 && (found.st_mode & 0111) == 0;
}

std::string Inspector::WhyNot(const std::string& path) const {
  const auto file = root_.OpenFile(path);
  if (!file.ok()) return "";
  if (LacksPermission(path)) {
    return "permission denied: its mode lets nobody execute it (chmod +x)";
  }
  std::string head(kHeadBytes, '\0');
  const ssize_t got = ::pread(file->get(), head.data(), head.size(), 0);
  if (got < 0) return "";  // the runtime meets it, too
  head.resize(static_cast<size_t>(got));
  if (head.empty()) return "exec format error: it is empty";
  if (head.starts_with("#!")) return WhyNotScript(head);
  if (head.starts_with(ELFMAG)) return WhyNotElf(file->get(), head);
  return "exec format error: it is neither an ELF program nor a script that begins with #!";
}

// The files that a runtime tries for `program`, in order.
std::vector<std::string> Candidates(const ImageProcess& process) {
  const std::string& program = process.argv.front();
  if (program.starts_with('/')) return {program};
  const auto join = [&](std::string directory) {
    if (!directory.starts_with('/')) directory = process.working_directory + "/" + directory;
    return directory + "/" + program;
  };
  if (program.find('/') != std::string::npos) return {join(".")};
  std::string_view path;
  for (const std::string_view variable : process.env) {
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  }
  std::vector<std::string> candidates;
  while (!path.empty()) {
    const auto end = path.find(':');
    candidates.push_back(join(std::string(path.substr(0, end))));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
  return candidates;
}

}  // namespace

Status CheckExecutable(const RootDirectory& root, const ImageProcess& process,
                       const std::vector<VolumeMount>& volumes) {
  const Inspector inspector(root, volumes);
  Status passed_over = Ok();
  for (const std::string& candidate : Candidates(process)) {
    if (inspector.Hidden(candidate)) return Ok();
    if (!inspector.Exists(candidate)) continue;
    const std::string why = inspector.WhyNot(candidate);
    if (why.empty()) return Ok();
    Error refused(ErrorCode::kFailedPrecondition, "cannot run '" + candidate + "': " + why);
    if (!inspector.LacksPermission(candidate)) return refused;
    if (passed_over.ok()) passed_over = std::move(refused);
  }
  return passed_over;
}

Status CheckWorkingDirectory(const RootDirectory& root, const std::string& directory,
                             const std::vector<VolumeMount>& volumes) {
  std::vector<DirectoryMount> mounts;
  for (const VolumeMount& volume : volumes) {
    LOCKET_TRY_ASSIGN(std::string at, root.Resolve(volume.destination, mounts).While("volume"));
    LOCKET_TRY_ASSIGN(RootDirectory inside, RootDirectory::Open(volume.directory));
    mounts.push_back({.at = std::move(at), .directory = std::move(inside)});
  }
  LOCKET_TRY_ASSIGN(const std::string resolved,
                    root.Resolve(directory, mounts).While("working directory"));
  if (!IsBelow(resolved, "/proc")) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "working directory '" + directory + "' leads into /proc: set another one");
}

}  // namespace locket::guest_agent
