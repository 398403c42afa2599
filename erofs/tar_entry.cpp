#include "erofs/tar_entry.h"

#include <sys/stat.h>

#include <utility>

namespace locket::erofs {
namespace {

constexpr int64_t kMaxId = 0xfffffffe;  // -1 means "leave as it is" to chown(2)
constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// Vendors' own types, volume labels and parts of files that go on elsewhere are refused: what they
// stand for, no layer can have.
Result<uint16_t> TypeOf(char type) {
  switch (type) {
    case '0':
    case '7':  // "contiguous", which is for the file system to know
      return S_IFREG;
    case '2':
      return S_IFLNK;
    case '3':
      return S_IFCHR;
    case '4':
      return S_IFBLK;
    case '5':
      return S_IFDIR;
    case '6':
      return S_IFIFO;
    default:
      return Invalid("its type " + QuotedName({&type, 1}) + " is not one that a layer can hold");
  }
}

Result<uint32_t> DeviceNumber(const TarHeader& header) {
  const auto major = static_cast<uint64_t>(header.major);
  const auto minor = static_cast<uint64_t>(header.minor);
  if (major > 0xfff || minor > 0xfffff) return Invalid("its device number is out of range");
  return static_cast<uint32_t>((minor & 0xff) | major << 8 | (minor & ~uint64_t{0xff}) << 12);
}

Result<uint32_t> Id(int64_t id, const char* which) {
  if (id < 0 || id > kMaxId) return Invalid(std::string("its ") + which + " is out of range");
  return static_cast<uint32_t>(id);
}

void CopyXattrs(const PaxRecords& pax, TarEntry& entry) {
  const auto& all = pax.all();
  for (auto at = all.lower_bound(kXattrPrefix); at != all.end(); ++at) {
    const auto& [key, value] = *at;
    if (!key.starts_with(kXattrPrefix)) return;
    const std::string name = key.substr(kXattrPrefix.size());
    if (IsLinuxXattr(name) && !IsOverlayXattr(name)) {
      entry.xattrs[name] = value;
    } else {
      ++entry.ignored_xattrs;
    }
  }
}

Status SetTime(const TarHeader& header, const PaxRecords* pax, TarEntry& entry) {
  entry.mtime = header.mtime;
  if (pax == nullptr) return Ok();
  LOCKET_TRY(pax->FindTime("atime"));
  LOCKET_TRY(pax->FindTime("ctime"));
  LOCKET_TRY_ASSIGN(const auto time, pax->FindTime("mtime"));
  if (!time) return Ok();
  entry.mtime = time->seconds;
  entry.mtime_nsec = time->nanoseconds;
  return Ok();
}

}  // namespace

Result<TarEntry> MakeTarEntry(const TarHeader& header, const PaxRecords* pax) {
  TarEntry entry{.path = header.name,
                 .hard_link_to = {},
                 .symlink_target = {},
                 .mode = static_cast<uint16_t>(header.mode & 07777),
                 .uid = 0,
                 .gid = 0,
                 .mtime = 0,
                 .mtime_nsec = 0,
                 .rdev = 0,
                 .size = 0,
                 .xattrs = {},
                 .ignored_xattrs = 0};
  LOCKET_TRY(SetTime(header, pax, entry));
  if (header.type == '1') {
    entry.hard_link_to = header.link;
    return entry;
  }
  LOCKET_TRY_ASSIGN(const uint16_t type, TypeOf(header.type));
  entry.mode |= type;
  LOCKET_TRY_ASSIGN(entry.uid, Id(header.uid, "uid"));
  LOCKET_TRY_ASSIGN(entry.gid, Id(header.gid, "gid"));
  if (S_ISREG(entry.mode)) entry.size = static_cast<uint64_t>(header.size);
  if (S_ISLNK(entry.mode)) entry.symlink_target = header.link;
  if (S_ISCHR(entry.mode) || S_ISBLK(entry.mode)) {
    LOCKET_TRY_ASSIGN(entry.rdev, DeviceNumber(header));
  }
  if (pax != nullptr) CopyXattrs(*pax, entry);
  return entry;
}

}  // namespace locket::erofs
