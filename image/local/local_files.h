// For image/'s .cpp files: an image's files on disk by name, whether they lie in a directory or
// came out of an archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/oci/image_source.h"

namespace locket::image {

// The annotation by which index.json names an image.
inline constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";

class LocalFiles {
 public:
  virtual ~LocalFiles() = default;
  // Opens a regular file. `name` is relative and has no "..". kNotFound: it is not there.
  virtual Result<UniqueFd> Open(const std::string& name) = 0;
};

std::unique_ptr<LocalFiles> MakeDirectoryFiles(const std::filesystem::path& directory);

struct UnpackOptions {
  std::filesystem::path temporary_directory;
  std::stop_token stop{};
  // Whether a file of the archive is wanted, by its name. The others are not written to disk.
  std::function<bool(const std::string& name)> wanted = [](const std::string&) { return true; };
  // What may come out of the archive: all told, and how many times as much as was read of it. The
  // second is that of layers; it counts from `unsuspicious_bytes` on, as small archives of zeros
  // are harmless.
  uint64_t max_bytes = uint64_t{256} << 30;
  uint64_t max_ratio = 1000;
  uint64_t unsuspicious_bytes = 64U << 20;
};

// Unpacks the regular files of a tar archive (plain, or in gzip, bzip2, xz or zstd), read from
// `archive` to its end, under numbers of our own, so no name from inside touches the disk. Links
// are followed within the archive. kCancelled: `stop` was asked for, also while `archive` had
// nothing to give. kResourceExhausted: more comes out than the options allow. Opening a name that
// stands twice, for different bytes, is kInvalidArgument.
Result<std::unique_ptr<LocalFiles>> UnpackArchive(UniqueFd archive, const UnpackOptions& options);

// The whole file. kResourceExhausted: larger than `max_bytes`.
Result<std::string> ReadLocalFile(LocalFiles& files, const std::string& name, size_t max_bytes);

// "blobs/sha256/<hex>".
std::string BlobName(const Digest& digest);

// The digest of the file's first `size` bytes.
Result<Digest> DigestOfFile(int fd, uint64_t size);

// Reads the file at `fd` to its end; kDataLoss: it is not `blob`. The next read starts at 0 again.
Status CheckFile(int fd, const Descriptor& blob);

// The file's bytes, checked against `blob` by the end.
std::unique_ptr<BlobStream> MakeFileStream(UniqueFd fd, const Descriptor& blob);

}  // namespace locket::image
