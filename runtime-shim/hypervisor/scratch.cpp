#include "runtime-shim/hypervisor/scratch.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/nameless_file.h"

namespace locket::runtime_shim {
namespace {

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr char kSerial[] = "locket-scratch";  // docs/formats/guest-channels.md

// The file is sparse, so this is a snapshot and no promise: a disk that fills up later gives the
// guest's writes an error.
Status CheckRoom(const std::filesystem::path& directory, uint32_t mib) {
  struct statvfs room {};
  if (::statvfs(directory.c_str(), &room) != 0) {
    return Error::FromErrno(errno, "look at '" + directory.string() + "'");
  }
  const uint64_t free_mib = room.f_bavail * room.f_frsize / kMib;
  if (free_mib >= mib) return Ok();
  return Error(ErrorCode::kResourceExhausted,
               "'" + directory.string() + "' has room for " + std::to_string(free_mib) +
                   " MiB: free some, or set scratch_mib or scratch_dir otherwise");
}

}  // namespace

Result<std::optional<ScratchFile>> MakeScratch(const std::filesystem::path& directory,
                                               uint32_t mib) {
  if (mib == 0) return std::optional<ScratchFile>();
  const std::string doing = "make a scratch disk of " + std::to_string(mib) + " MiB";
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return Error::FromErrno(failed.value(), doing + ": make '" + directory.string() + "'");
  }
  LOCKET_TRY(CheckRoom(directory, mib).While(doing));
  LOCKET_TRY_ASSIGN(auto fd, OpenNamelessFile(directory).While(doing));
  if (::ftruncate(fd.get(), static_cast<off_t>(mib * kMib)) != 0) {
    return Error::FromErrno(errno, doing + ": set the file's size");
  }
  const auto path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
  return std::optional(
      ScratchFile{.fd = std::move(fd),
                  .disk = {.id = "scratch", .path = path, .serial = kSerial, .writable = true}});
}

}  // namespace locket::runtime_shim
