// The snapshotter's root directory: where everything lies, and the lock that keeps a second server
// out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace locket::snapshotter {

//   meta/            the database of records
//   snapshots/<id>   what a snapshot has on disk (SnapshotDirectories)
//   work/<id>        overlayfs's work directory of an active snapshot
//   blobs/sha256/    complete, checked blobs, each named after its digest (BlobFiles)
//   pins/            an empty file for each blob that an operator wants kept
//   ingest/          partial downloads (BlobDownloads)
//   converted/       which sealed blob each ordinary layer became (ConvertRecords)
//   converting/      layers that are being sealed; emptied at start-up
//   lock             locked while a server runs
//
// All of it is on one file system, so that a file can be renamed from ingest/ and converting/ to
// blobs/.
class RootDirectory {
 public:
  // Opens the directory: creates what is missing (mode 0700), and locks it for the life of the
  // object or of the process. A kill leaves no stale lock. kFailedPrecondition: another process
  // holds the lock.
  static Result<RootDirectory> Open(const std::filesystem::path& root);

  const std::filesystem::path& path() const { return root_; }  // absolute
  std::filesystem::path meta() const { return root_ / "meta"; }
  std::filesystem::path snapshots() const { return root_ / "snapshots"; }
  std::filesystem::path works() const { return root_ / "work"; }
  std::filesystem::path blobs() const { return root_ / "blobs" / "sha256"; }
  std::filesystem::path pins() const { return root_ / "pins"; }
  std::filesystem::path ingest() const { return root_ / "ingest"; }
  std::filesystem::path converted() const { return root_ / "converted"; }
  std::filesystem::path converting() const { return root_ / "converting"; }

  std::filesystem::path snapshot(uint64_t id) const { return snapshots() / std::to_string(id); }
  // Beside a snapshot's content and not together with it in a directory of its own, which would
  // make each creation and removal dearer by a half.
  std::filesystem::path work(uint64_t id) const { return works() / std::to_string(id); }
  // Of a container on sealed layers: its stub root file system, and what the shim is told.
  std::filesystem::path rootfs(uint64_t id) const { return snapshot(id) / "rootfs"; }
  std::filesystem::path rootfs_json(uint64_t id) const { return snapshot(id) / "rootfs.json"; }

  // `digest` is "sha256:<64 hex digits>"; the caller that got it from outside has checked that.
  std::filesystem::path blob(std::string_view digest) const { return blobs() / Hex(digest); }
  std::filesystem::path pin(std::string_view digest) const { return pins() / Hex(digest); }
  std::filesystem::path partial(std::string_view digest) const { return ingest() / Hex(digest); }

 private:
  RootDirectory(std::filesystem::path root, UniqueFd lock)
      : root_(std::move(root)), lock_(std::move(lock)) {}
  static std::string_view Hex(std::string_view digest) {
    return digest.substr(digest.find(':') + 1);
  }

  std::filesystem::path root_;
  UniqueFd lock_;
};

// Makes a directory with exactly this mode, whatever the umask.
Status MakeDirectory(const std::filesystem::path& path, mode_t mode);

// Removes `path` and all below it without following links. Succeeds when it is absent.
Status RemoveTree(const std::filesystem::path& path);

}  // namespace locket::snapshotter
