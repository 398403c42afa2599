#include "erofs/lower_directories.h"

#include <utility>

namespace locket::erofs {

LowerId LowerDirectories::Child(LowerId parent, std::string_view name) const {
  if (parent == kNoLower) return kNoLower;
  const auto& children = directories_[parent].children;
  const auto found = children.find(name);
  return found == children.end() ? kNoLower : found->second;
}

Status LowerDirectories::Count(std::string_view name, const DirectoryAttributes& attributes) {
  uint64_t bytes = name.size();
  for (const auto& [key, value] : attributes.xattrs) bytes += key.size() + value.size();
  if (directories_.size() >= max_directories_ || bytes > max_bytes_ - bytes_) {
    return Error(ErrorCode::kResourceExhausted, "the directories of the layers are more than " +
                                                    std::to_string(max_directories_) +
                                                    " or have names and xattrs of more than " +
                                                    std::to_string(max_bytes_) + " bytes");
  }
  bytes_ += bytes;
  return Ok();
}

Result<LowerId> LowerDirectories::PutRoot(DirectoryAttributes attributes) {
  LOCKET_TRY(Count({}, attributes));
  if (directories_.empty()) directories_.emplace_back();
  directories_[0].attributes = std::move(attributes);
  return LowerId{0};
}

Result<LowerId> LowerDirectories::Put(LowerId parent, std::string_view name,
                                      DirectoryAttributes attributes) {
  LOCKET_TRY(Count(name, attributes));
  LowerId id = Child(parent, name);
  if (id == kNoLower) {
    id = static_cast<LowerId>(directories_.size());
    directories_.emplace_back();
    directories_[parent].children.emplace(name, id);
  }
  directories_[id].attributes = std::move(attributes);
  return id;
}

void LowerDirectories::Remove(LowerId parent, std::string_view name) {
  auto& children = directories_[parent].children;
  const auto found = children.find(name);
  if (found != children.end()) children.erase(found);
}

}  // namespace locket::erofs
