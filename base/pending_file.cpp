#include "base/pending_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace locket {
namespace fs = std::filesystem;

Result<PendingFile> PendingFile::Create(const fs::path& path) {
  std::string name = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd.valid()) return Error::FromErrno(errno, "create '" + name + "'");
  return PendingFile(std::move(fd), std::move(name), path);
}

PendingFile::~PendingFile() {
  if (!name_.empty()) ::unlink(name_.c_str());
}

Status PendingFile::Commit(mode_t mode, Durability durability) {
  const bool durable = durability == Durability::kPowerCut;
  if (::fchmod(fd(), mode) != 0) return Error::FromErrno(errno, "set mode of '" + name_ + "'");
  if (durable && ::fsync(fd()) != 0) return Error::FromErrno(errno, "fsync '" + name_ + "'");
  if (::rename(name_.c_str(), path_.c_str()) != 0) {
    return Error::FromErrno(errno, "rename to '" + path_.string() + "'");
  }
  name_.clear();
  if (!durable) return Ok();
  return SyncDirectory(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

}  // namespace locket
