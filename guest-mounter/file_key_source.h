#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/secret_source.h"

namespace locket::guest_mounter {

// Keys from files, for debugging by hand. A file is read when its key is fetched.
// kNotFound: no file was given for the ID. kInvalidArgument: the file does not have 32 bytes.
class FileKeySource final : public SecretSource {
 public:
  explicit FileKeySource(std::map<std::string, std::filesystem::path> files)
      : files_(std::move(files)) {}
  Result<Secret> FetchSecret(const ResourceName& name) override;

 private:
  std::map<std::string, std::filesystem::path> files_;  // by key ID
};

}  // namespace locket::guest_mounter
