#include "guest-mounter/make_ext4.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/subprocess.h"

namespace locket::guest_mounter {
namespace {

// mke2fs looks for older file systems and RAID labels at both ends, and the kernel reads ahead.
constexpr uint64_t kEndBytes = uint64_t{1} << 20;
// Inode tables, of 256 bytes an inode, are written at once: under 1 % of the device, and never more
// than 256 MiB.
constexpr uint64_t kBytesPerInode = 32768;
constexpr uint64_t kMaxInodes = uint64_t{1} << 20;
constexpr auto kTimeout = std::chrono::minutes(4);

// Zeros where somebody will read before writing. The device's size.
Result<uint64_t> WriteEnds(const std::string& device) {
  LOCKET_TRY_ASSIGN(const UniqueFd file, OpenFile(device, O_WRONLY));
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return Error::FromErrno(errno, "measure '" + device + "'");
  const std::vector<std::byte> zeros(std::min(kEndBytes, static_cast<uint64_t>(size)));
  LOCKET_TRY(PwriteFull(file.get(), zeros, 0).While("write to '" + device + "'"));
  LOCKET_TRY(PwriteFull(file.get(), zeros, static_cast<uint64_t>(size) - zeros.size())
                 .While("write to '" + device + "'"));
  if (::fsync(file.get()) != 0) return Error::FromErrno(errno, "sync '" + device + "'");
  return static_cast<uint64_t>(size);
}

}  // namespace

std::vector<std::string> Ext4Command(const std::string& device, uint64_t size_bytes) {
  const uint64_t bytes_per_inode = std::max(kBytesPerInode, size_bytes / kMaxInodes);
  // No journal: after a crash there is no guest to recover for. Inode tables are written now, as
  // the kernel reads them in runs; backups of the superblock are left out, as they are written by
  // part of a sector, which reads it first. Discarding is not passed down by dm-integrity.
  return {"mke2fs",
          "-q",
          "-F",
          "-t",
          "ext4",
          "-b",
          "4096",
          "-m",
          "0",
          "-i",
          std::to_string(bytes_per_inode),
          "-O",
          "^has_journal,^resize_inode,sparse_super2",
          "-E",
          "lazy_itable_init=0,num_backup_sb=0,nodiscard",
          device};
}

Status MakeExt4(const std::string& device) {
  LOCKET_TRY_ASSIGN(const uint64_t size_bytes, WriteEnds(device));
  LOCKET_TRY_ASSIGN(
      const auto done,
      RunCommand(Ext4Command(device, size_bytes), {.timeout = kTimeout}).While("mke2fs"));
  if (done.exit_status == 0) return Ok();
  return Error(ErrorCode::kInternal, "mke2fs: exit status " + std::to_string(done.exit_status) +
                                         ": " + done.standard_error);
}

}  // namespace locket::guest_mounter
