#include "cli/image/extract_image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "image/sealed/sealed_image.h"

namespace locket::cli {
namespace fs = std::filesystem;
namespace {

constexpr size_t kPiece = 1U << 20;
constexpr const char* kRoot = "root";

// With or without a slash at its end.
fs::path ParentOf(const fs::path& path) {
  const fs::path parent = (path.has_filename() ? path : path.parent_path()).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// The finished tree takes the place of an empty directory, which is to be found out before all is
// fetched.
Status CheckReplaceable(const fs::path& directory) {
  struct stat self {};
  struct stat above {};
  struct stat here {};
  if (::stat(directory.c_str(), &self) != 0 || ::stat((directory / "..").c_str(), &above) != 0 ||
      ::stat(".", &here) != 0) {
    return Error::FromErrno(errno, "stat '" + directory.string() + "'");
  }
  const auto refuse = [&](const char* what) {
    return Error(ErrorCode::kFailedPrecondition, "'" + directory.string() + "' is " + what +
                                                     ", which cannot be replaced; name a new "
                                                     "directory in it");
  };
  if (self.st_dev != above.st_dev) return refuse("a mount point");
  if (self.st_dev == here.st_dev && self.st_ino == here.st_ino) {
    return refuse("the working directory");
  }
  return Ok();
}

Status CheckDirectory(const fs::path& directory) {
  std::error_code error;
  const auto status = fs::symlink_status(directory, error);
  if (status.type() == fs::file_type::not_found) return Ok();
  const bool empty = fs::is_directory(status) && fs::is_empty(directory, error);
  if (empty && !error) return CheckReplaceable(directory);
  return Error(ErrorCode::kAlreadyExists,
               "'" + directory.string() + "' exists and is not an empty directory; name a new one");
}

Result<ImageDocuments> ReadChecked(image::ImageSource& source) {
  LOCKET_TRY_ASSIGN(ImageDocuments image, ReadDocuments(source));
  if (image::ClaimsToBeSealed(image.manifest)) {
    LOCKET_TRY(image::CheckSealedImage(image.manifest, image.config));
  } else if (image.manifest.layers.size() != image.config.diff_ids.size()) {
    return Error(ErrorCode::kInvalidArgument, "manifest and config differ in the number of layers");
  }
  return image;
}

Status ExtractInto(image::ImageSource& source, const ImageDocuments& image, int root,
                   const LayerImageOptions& options, ExtractLayerOptions extract,
                   Progress& progress, ExtractReport& report) {
  extract.stop = options.stop;
  LayerStack stack(source, image, options, progress);
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) {
    LOCKET_TRY_ASSIGN(const LayerImage layer, stack.Open(i));
    const uint64_t before = report.files;
    const std::string name = LayerText(image.manifest, i);
    LOCKET_TRY_ASSIGN(const auto reader, layer.Reader().While(name));
    auto done = ExtractLayer(reader, root, extract, report);
    if (!done.ok()) {
      progress.Clear();
      return std::move(done).While(name);
    }
    progress.Finish(std::to_string(report.files - before) + " files");
  }
  return Ok();
}

Status Copy(int from, uint64_t size, int to) {
  std::vector<std::byte> piece(std::min<uint64_t>(kPiece, size));
  for (uint64_t done = 0; done < size; done += piece.size()) {
    piece.resize(std::min<uint64_t>(kPiece, size - done));
    LOCKET_TRY(PreadFull(from, piece, done));
    LOCKET_TRY(WriteFull(to, piece));
  }
  if (::fsync(to) != 0) return Error::FromErrno(errno, "fsync");
  return Ok();
}

}  // namespace

Result<ExtractReport> ExtractImage(image::ImageSource& source, const fs::path& directory,
                                   const LayerImageOptions& options,
                                   const ExtractLayerOptions& extract, Progress& progress) {
  if (!extract.rootless && ::geteuid() != 0) {
    return Error(ErrorCode::kPermissionDenied,
                 "only root can set owners and make devices; --rootless extracts without them");
  }
  LOCKET_TRY(CheckDirectory(directory));
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadChecked(source));
  // Beside its final place, and nobody else's until it is whole.
  LOCKET_TRY_ASSIGN(const TempDir holder, TempDir::Create(ParentOf(directory), ".locket-extract-"));
  const fs::path root = holder.path() / kRoot;
  if (::mkdir(root.c_str(), 0755) != 0) return Error::FromErrno(errno, "make directory");
  LOCKET_TRY_ASSIGN(const UniqueFd parent, OpenFile(holder.path(), O_RDONLY | O_DIRECTORY));
  LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(root, O_RDONLY | O_DIRECTORY));
  ExtractReport report;
  auto done = ExtractInto(source, image, fd.get(), options, extract, progress, report);
  if (done.ok() && ::rename(root.c_str(), directory.c_str()) != 0) {
    done = Error::FromErrno(errno, "rename to '" + directory.string() + "'");
  }
  if (done.ok()) return report;
  // Modes of the image's would keep the holder from removing it. Its own error says more.
  static_cast<void>(RemoveTree(parent.get(), kRoot).ok());
  return std::move(done).error();
}

Result<ExtractedLayer> ExtractLayerImage(image::ImageSource& source, int layer,
                                         const fs::path& file, const LayerImageOptions& options,
                                         Progress& progress) {
  LOCKET_TRY_ASSIGN(const ImageDocuments image, ReadChecked(source));
  const auto count = static_cast<int>(image.manifest.layers.size());
  const int index = layer < 0 ? count + layer : layer;
  if (index < 0 || index >= count) {
    return Error(ErrorCode::kInvalidArgument, "there is no layer " + std::to_string(layer) +
                                                  "; the image has " + std::to_string(count) +
                                                  " layers, 0 to " + std::to_string(count - 1));
  }
  LOCKET_TRY_ASSIGN(const LayerImage opened,
                    LayerStack(source, image, options, progress).Open(static_cast<size_t>(index)));
  LOCKET_TRY_ASSIGN(const TempDir holder, TempDir::Create(ParentOf(file), ".locket-extract-"));
  const fs::path whole = holder.path() / "layer";
  {
    LOCKET_TRY_ASSIGN(const UniqueFd fd, OpenFile(whole, O_WRONLY | O_CREAT | O_EXCL));
    LOCKET_TRY(Copy(opened.fd.get(), opened.identity.data_size, fd.get())
                   .While("write '" + file.string() + "'"));
  }
  if (::rename(whole.c_str(), file.c_str()) != 0) {
    return Error::FromErrno(errno, "rename to '" + file.string() + "'");
  }
  progress.Finish(HumanBytes(opened.identity.data_size));
  LOCKET_TRY(SyncDirectory(ParentOf(file)));
  return ExtractedLayer{.layer = static_cast<size_t>(index), .identity = opened.identity};
}

}  // namespace locket::cli
