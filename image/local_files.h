// For image/'s .cpp files: an image's files on disk by name, whether they lie in a directory or
// came out of an archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/image_source.h"

namespace locket::image {

class LocalFiles {
 public:
  virtual ~LocalFiles() = default;
  // Opens a regular file. `name` is relative and has no "..". kNotFound: it is not there.
  virtual Result<UniqueFd> Open(const std::string& name) = 0;
};

std::unique_ptr<LocalFiles> MakeDirectoryFiles(const std::filesystem::path& directory);

// Unpacks every regular file of a tar archive (plain, or in gzip, bzip2, xz or zstd), read from
// `archive` to its end, under numbers of our own, so no name from inside touches the disk. Links
// are followed within the archive. kCancelled: `stop` was asked for, also while `archive` had
// nothing to give.
Result<std::unique_ptr<LocalFiles>> UnpackArchive(UniqueFd archive,
                                                  const std::filesystem::path& temporary_directory,
                                                  const std::stop_token& stop);

// The whole file. kResourceExhausted: larger than `max_bytes`.
Result<std::string> ReadLocalFile(LocalFiles& files, const std::string& name, size_t max_bytes);

// "blobs/sha256/<hex>".
std::string BlobName(const Digest& digest);

// Reads the file at `fd` to its end; kDataLoss: it is not `blob`. The next read starts at 0 again.
Status CheckFile(int fd, const Descriptor& blob);

// The file's bytes, checked against `blob` by the end.
std::unique_ptr<BlobStream> MakeFileStream(UniqueFd fd, const Descriptor& blob);

}  // namespace locket::image
