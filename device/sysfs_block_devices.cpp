#include "device/sysfs_block_devices.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include "base/file.h"
#include "device/dm_target.h"

namespace locket::device {
namespace {

constexpr size_t kVpdHeaderBytes = 4;  // SPC-5: qualifier, page code, 16-bit length
constexpr size_t kMaxVpdBytes = 4096;
constexpr size_t kMaxNumberBytes = 64;

std::string_view Trim(std::string_view text) {
  static constexpr std::string_view kBlank(" \n\0", 3);
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Empty when the disk has none.
std::string SerialOf(const std::filesystem::path& disk) {
  const auto page = ReadFile(disk / "device/vpd_pg80", kMaxVpdBytes);
  if (!page.ok() || page->size() <= kVpdHeaderBytes) return {};
  return std::string(Trim(std::string_view(*page).substr(kVpdHeaderBytes)));
}

Result<uint64_t> SizeOf(const std::filesystem::path& disk) {
  LOCKET_TRY_ASSIGN(const std::string text, ReadFile(disk / "size", kMaxNumberBytes));
  const std::string_view digits = Trim(text);
  uint64_t sectors = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sectors);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      sectors > UINT64_MAX / kSectorBytes) {
    return Error(ErrorCode::kInternal, "'" + (disk / "size").string() + "' holds no size");
  }
  return sectors * kSectorBytes;
}

}  // namespace

Result<std::unique_ptr<SysfsBlockDevices>> SysfsBlockDevices::Open(std::filesystem::path sys_block,
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
      new SysfsBlockDevices(std::move(sys_block), std::move(dev), std::move(socket)));
}

Result<std::optional<BlockDevice>> SysfsBlockDevices::Find(std::string_view serial) {
  std::error_code error;
  std::vector<std::filesystem::path> disks;
  for (std::filesystem::directory_iterator it(sys_block_, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().starts_with("sd")) disks.push_back(it->path());
  }
  if (error) return Error::FromErrno(error.value(), "list '" + sys_block_.string() + "'");
  std::sort(disks.begin(), disks.end());
  for (const auto& disk : disks) {
    if (SerialOf(disk) != serial) continue;
    // A disk on its way in has no size yet, one on its way out has none any more: not this time.
    const auto size = SizeOf(disk);
    const auto node = dev_ / disk.filename();
    if (!size.ok() || *size == 0 || !std::filesystem::exists(node, error)) continue;
    return std::optional(BlockDevice{.path = node.string(), .size_bytes = *size});
  }
  return std::optional<BlockDevice>();
}

void SysfsBlockDevices::AwaitChange(std::chrono::milliseconds at_most) {
  pollfd waiting{.fd = uevents_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(at_most.count())) <= 0) return;
  std::array<char, 8192> event;
  while (::recv(uevents_.get(), event.data(), event.size(), 0) > 0) {
  }
}

}  // namespace locket::device
