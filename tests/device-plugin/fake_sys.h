// The kernel's files in a directory of the test's.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"

namespace locket::device_plugin {

class FakeSys {
 public:
  const std::filesystem::path& root() const { return temp_.path(); }

  void Write(const std::string& file, std::string_view text) const {
    const std::filesystem::path path = root() / file;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_TRUE(ReplaceFileDurably(path, text).ok());  // at once, as the kernel's files change
  }
  void Remove(const std::string& file) const { std::filesystem::remove(root() / file); }

  // An EPYC with `asids` for SEV-ES and SEV-SNP.
  void HaveSnp(int asids) const {
    Write("sys/module/kvm_amd/parameters/sev_snp", "Y\n");
    Write("sys/fs/cgroup/misc.capacity", "sev 410\nsev_es " + std::to_string(asids) + "\n");
  }
  void HaveTdx(int keys) const {
    Write("sys/module/kvm_intel/parameters/tdx", "Y\n");
    Write("sys/fs/cgroup/misc.capacity", "tdx " + std::to_string(keys) + "\n");
  }

 private:
  TempDir temp_ =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "sys-")).value();
};

}  // namespace locket::device_plugin
