#include "snapshotter/snapshots/disk_usage.h"

#include <fts.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>

namespace locket::snapshotter {
namespace {

constexpr uint64_t kStatBlockBytes = 512;  // unit of st_blocks, stat(2)

struct FtsClose {
  void operator()(FTS* fts) const { ::fts_close(fts); }
};

}  // namespace

Result<Usage> MeasureUsage(const std::filesystem::path& directory) {
  std::string path = directory.string();
  std::array<char*, 2> roots{path.data(), nullptr};
  const std::unique_ptr<FTS, FtsClose> walk(
      ::fts_open(roots.data(), FTS_PHYSICAL | FTS_NOCHDIR, nullptr));
  if (!walk) return Error::FromErrno(errno, "measure '" + path + "'");
  Usage usage;
  std::set<std::pair<dev_t, ino_t>> linked;  // only files with several links need remembering
  for (errno = 0; const FTSENT* entry = ::fts_read(walk.get()); errno = 0) {
    if (entry->fts_info == FTS_DP) continue;  // seen on the way in
    if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS) {
      if (entry->fts_errno == ENOENT && entry->fts_level > 0) continue;
      return Error::FromErrno(entry->fts_errno, "measure '" + std::string(entry->fts_path) + "'");
    }
    const struct stat& status = *entry->fts_statp;
    if (entry->fts_info != FTS_D && status.st_nlink > 1 &&
        !linked.emplace(status.st_dev, status.st_ino).second) {
      continue;
    }
    usage.size_bytes += static_cast<uint64_t>(status.st_blocks) * kStatBlockBytes;
    ++usage.inodes;
  }
  if (errno != 0) return Error::FromErrno(errno, "measure '" + path + "'");
  return usage;
}

}  // namespace locket::snapshotter
