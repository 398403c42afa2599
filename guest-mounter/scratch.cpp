#include "guest-mounter/scratch.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "device/dm_target.h"

namespace locket::guest_mounter {
namespace {

constexpr uint64_t kSectorBytes = 4096;

// The guest's kernel gives nothing before its pool is seeded, which early boot did from RDRAND.
Result<Secret> NewKey() {
  Secret key(device::kSealedCryptKeyBytes);
  const auto bytes = key.Reveal();
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return Error::FromErrno(errno, "getrandom");
  }
  return key;
}

Result<device::BlockDevice> AwaitDisk(const Seams& seams, const ScratchOptions& options) {
  LOCKET_TRY_ASSIGN(auto disk, device::AwaitDevice(seams.disks, seams.clock, kScratchSerial,
                                                   options.device_timeout));
  if (disk.size_bytes < kMinScratchBytes || disk.size_bytes > kMaxScratchBytes) {
    return Error(ErrorCode::kInvalidArgument, "the disk has " + std::to_string(disk.size_bytes) +
                                                  " bytes; " + std::to_string(kMinScratchBytes) +
                                                  " to " + std::to_string(kMaxScratchBytes) +
                                                  " are possible");
  }
  disk.size_bytes -= disk.size_bytes % kSectorBytes;
  return disk;
}

Result<std::unique_ptr<Scratch>> OpenOn(const device::BlockDevice& disk, const Seams& seams,
                                        const MakeFileSystem& make, const ScratchOptions& options) {
  const std::array integrity_table{device::IntegrityTarget(
      disk.number, {.num_bytes = disk.size_bytes, .tag_device = options.tag_device})};
  LOCKET_TRY_ASSIGN(auto integrity,
                    device::MappedDevice::Create(seams.dm, "scratch-integrity", integrity_table,
                                                 device::DmAccess::kReadWrite));
  LOCKET_TRY_ASSIGN(const Secret key, NewKey());
  const std::array crypt_table{
      device::SealedCryptTarget(integrity.path(), {.num_bytes = disk.size_bytes, .key = &key})};
  LOCKET_TRY_ASSIGN(auto crypt, device::MappedDevice::Create(seams.dm, "scratch-crypt", crypt_table,
                                                             device::DmAccess::kReadWrite));
  LOCKET_TRY(make(crypt.path()));
  std::error_code error;
  std::filesystem::create_directories(options.directory.parent_path(), error);
  if (error)
    return Error::FromErrno(error.value(),
                            "make the parent of '" + options.directory.string() + "'");
  // Nothing survives the guest, so nothing needs to reach the disk in any order. A file system
  // that lost a block of its own stops taking writes.
  LOCKET_TRY_ASSIGN(auto mount,
                    device::Mounted::Create(seams.mounts, {.source = crypt.path(),
                                                           .target = options.directory.string(),
                                                           .type = "ext4",
                                                           .data = "nobarrier,errors=remount-ro",
                                                           .nodev = true,
                                                           .nosuid = true}));
  return std::make_unique<Scratch>(std::move(integrity), std::move(crypt), std::move(mount));
}

}  // namespace

Result<std::unique_ptr<Scratch>> Scratch::Open(const Seams& seams, const MakeFileSystem& make,
                                               const ScratchOptions& options) {
  LOCKET_TRY_ASSIGN(const auto disk, AwaitDisk(seams, options).While("scratch"));
  return OpenOn(disk, seams, make, options).While("scratch");
}

}  // namespace locket::guest_mounter
