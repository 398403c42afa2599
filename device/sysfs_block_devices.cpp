#include "device/sysfs_block_devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>

#include "base/encoding.h"
#include "base/file.h"
#include "device/dm_target.h"

namespace locket::device {
namespace {

constexpr size_t kVpdHeaderBytes = 4;  // SPC-5: qualifier, page code, 16-bit length
constexpr size_t kMaxVpdBytes = 4096;
constexpr size_t kMaxTextBytes = 64;
constexpr size_t kProbeBytes = 4096;

std::string_view Trim(std::string_view text) {
  static constexpr std::string_view kBlank(" \n\0", 3);
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string TextOf(const std::filesystem::path& attribute) {
  const auto text = ReadFile(attribute, kMaxTextBytes);
  return text.ok() ? std::string(Trim(*text)) : std::string();
}

// Empty when the disk has none.
std::string SerialOf(const std::filesystem::path& disk) {
  const auto page = ReadFile(disk / "device/vpd_pg80", kMaxVpdBytes);
  if (!page.ok() || page->size() <= kVpdHeaderBytes) return {};
  return std::string(Trim(std::string_view(*page).substr(kVpdHeaderBytes)));
}

// 0 before the kernel has asked the disk, and when the disk is gone.
uint64_t SizeOf(const std::filesystem::path& disk) {
  const std::string digits = TextOf(disk / "size");
  uint64_t sectors = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sectors);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && sectors <= UINT64_MAX / kSectorBytes ? sectors * kSectorBytes : 0;
}

// Other states are "created" on the way in, "cancel" and "deleted" on the way out, "offline" and
// "transport-offline" for a disk that the kernel gave up (Linux, drivers/scsi/scsi_sysfs.c).
bool IsRunning(const std::filesystem::path& disk) {
  return TextOf(disk / "device/state") == "running";
}

// "8:0", as sysfs writes it.
std::string NumberOf(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return {};
  return std::to_string(major(status.st_rdev)) + ":" + std::to_string(minor(status.st_rdev));
}

struct DirClose {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<std::unique_ptr<SysfsBlockDevices>> SysfsBlockDevices::Open(std::filesystem::path sys,
                                                                   std::filesystem::path dev) {
  UniqueFd socket(
      ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!socket.valid()) return Error::FromErrno(errno, "open the uevent socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;  // the kernel's own events
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Error::FromErrno(errno, "listen to uevents");
  }
  return std::unique_ptr<SysfsBlockDevices>(
      new SysfsBlockDevices(std::move(sys), std::move(dev), std::move(socket)));
}

Result<std::optional<BlockDevice>> SysfsBlockDevices::Find(std::string_view serial) {
  if (serial.empty()) return std::optional<BlockDevice>();
  const MutexLock lock(mutex_);
  LOCKET_TRY(Refresh());
  for (const auto& [name, seen] : seen_) {
    if (seen.serial != serial) continue;
    if (auto disk = Take(name, serial)) return disk;
  }
  return std::optional<BlockDevice>();
}

Status SysfsBlockDevices::Refresh() {
  const auto path = sys_ / "block";
  const std::unique_ptr<DIR, DirClose> directory(::opendir(path.c_str()));
  if (!directory) return Error::FromErrno(errno, "list '" + path.string() + "'");
  std::map<std::string, Seen> now;
  for (errno = 0; const dirent* entry = ::readdir(directory.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (!name.starts_with("sd")) continue;
    const auto known = seen_.find(name);
    const bool same = known != seen_.end() && known->second.inode == entry->d_ino;
    std::string serial = same ? known->second.serial : SerialOf(SysDirectory(name));
    // A disk that has not said its serial yet is asked again.
    if (!serial.empty()) now.emplace(name, Seen{entry->d_ino, std::move(serial)});
  }
  if (errno != 0) return Error::FromErrno(errno, "list '" + path.string() + "'");
  seen_ = std::move(now);
  return Ok();
}

// Nothing unless the disk is ready. What is asked after it was opened is about the disk that is
// held, as nobody else can have its name then.
std::optional<BlockDevice> SysfsBlockDevices::Take(const std::string& name,
                                                   std::string_view serial) {
  const auto directory = SysDirectory(name);
  UniqueFd file(::open((dev_ / name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return std::nullopt;
  std::string number = TextOf(directory / "dev");
  if (number.empty() || number != NumberOf(file.get())) return std::nullopt;
  const uint64_t size_bytes = SizeOf(directory);
  if (size_bytes == 0 || SerialOf(directory) != serial || !IsRunning(directory)) {
    return std::nullopt;
  }
  return BlockDevice{
      .file = std::move(file), .name = name, .number = std::move(number), .size_bytes = size_bytes};
}

bool SysfsBlockDevices::Serves(const BlockDevice& disk) {
  if (!IsRunning(SysDirectory(disk.name))) return false;
  // From the disk, not from what the kernel remembers of it.
  (void)::posix_fadvise(disk.file.get(), 0, kProbeBytes, POSIX_FADV_DONTNEED);
  std::array<std::byte, kProbeBytes> probe;
  const auto wanted = std::span(probe).first(std::min<uint64_t>(kProbeBytes, disk.size_bytes));
  return PreadFull(disk.file.get(), wanted, 0).ok();
}

void SysfsBlockDevices::LookAgain() {
  std::error_code error;
  for (std::filesystem::directory_iterator it(sys_ / "class/scsi_host", error), end;
       !error && it != end; it.increment(error)) {
    const UniqueFd scan(::open((it->path() / "scan").c_str(), O_WRONLY | O_CLOEXEC));
    // Any channel, any target, any LUN. An adapter that cannot is one that has nothing new.
    if (scan.valid()) (void)WriteFull(scan.get(), AsBytes("- - -"));
  }
}

void SysfsBlockDevices::AwaitChange(std::chrono::milliseconds at_most) {
  pollfd waiting{.fd = uevents_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(at_most.count())) <= 0) return;
  std::array<char, 8192> event;
  while (::recv(uevents_.get(), event.data(), event.size(), 0) > 0) {
  }
}

}  // namespace locket::device
