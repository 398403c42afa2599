// A file system of a few megabytes. Needs root.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <string>

#include "base/file.h"

namespace locket::snapshotter {

class SmallDisk {
 public:
  // `size` as tmpfs takes it: "64m".
  explicit SmallDisk(const std::string& size)
      : mounted_(::mount("tmpfs", path().c_str(), "tmpfs", 0, ("mode=0700,size=" + size).c_str()) ==
                 0) {}
  SmallDisk(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  const std::filesystem::path& path() const { return temp_.path(); }
  bool mounted() const { return mounted_; }

 private:
  TempDir temp_ = std::move(TempDir::Create("/tmp", "small-disk-")).value();
  const bool mounted_;
};

}  // namespace locket::snapshotter
