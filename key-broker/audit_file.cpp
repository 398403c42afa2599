#include "key-broker/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"

namespace locket::key_broker {
namespace {

std::string Numbered(const std::filesystem::path& path, size_t number) {
  return path.string() + "." + std::to_string(number);
}

// What is not there yet needs no new name.
Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return Ok();
  return Error::FromErrno(errno, "rename '" + from + "'");
}

}  // namespace

Result<AuditFile> AuditFile::Open(std::filesystem::path path, const AuditFileOptions& options) {
  AuditFile file(std::move(path), options);
  LOCKET_TRY(file.Reopen());
  return file;
}

Status AuditFile::Reopen() {
  LOCKET_TRY_ASSIGN(auto fd, OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND, 0600)
                                 .While("open audit log '" + path_.string() + "'"));
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return Error::FromErrno(errno, "audit log: fstat");
  fd_ = std::move(fd);
  regular_ = S_ISREG(found.st_mode);
  size_ = regular_ ? found.st_size : 0;
  reserved_to_ = size_;
  Reserve();
  return Ok();
}

// Blocks behind the end of the file: a disk that others filled up still takes these lines.
void AuditFile::Reserve() {
  if (!options_.reserve || !regular_ || reserved_to_ - size_ >= kAuditReserveBytes / 2) return;
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, size_, kAuditReserveBytes) == 0) {
    reserved_to_ = size_ + kAuditReserveBytes;
    warned_ = false;
  } else if (errno == ENOSPC && !std::exchange(warned_, true)) {
    log::Warning("the audit log's disk is full: releases end when its reserve is used up",
                 {{"path", path_.string()}});
  }
}

Status AuditFile::Rotate() {
  // Gone: an earlier try moved it and could not open the next. Moving the others again would push
  // them out one by one.
  if (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT) return Reopen();
  for (size_t number = options_.keep; number > 1; --number) {
    LOCKET_TRY(Rename(Numbered(path_, number - 1), Numbered(path_, number)));
  }
  if (options_.keep > 0) {
    LOCKET_TRY(Rename(path_, Numbered(path_, 1)));
  } else if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "remove '" + path_.string() + "'");
  }
  LOCKET_TRY(Reopen());
  const auto directory = path_.parent_path();
  return SyncDirectory(directory.empty() ? "." : directory);
}

Status AuditFile::Append(std::string_view line, bool durable) {
  const auto line_size = static_cast<off_t>(line.size());
  const bool full = regular_ && options_.max_bytes > 0 && size_ + line_size > options_.max_bytes;
  if (full && size_ > 0) LOCKET_TRY(Rotate().While("audit log"));
  const Status written = WriteFull(fd_.get(), AsBytes(line));
  if (!written.ok()) {
    // The next line must not continue half of this one. A failure leaves nothing better to do.
    if (regular_) (void)!::ftruncate(fd_.get(), size_);
    reserved_to_ = size_;  // the blocks behind the end went with it
    return Status(written).error().While("audit log");
  }
  size_ += line_size;
  if (durable && ::fdatasync(fd_.get()) != 0) {
    return Error::FromErrno(errno, "audit log: fdatasync");
  }
  Reserve();
  return Ok();
}

}  // namespace locket::key_broker
