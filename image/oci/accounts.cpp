#include "image/oci/accounts.h"

#include <utility>

#include "image/oci/user.h"

namespace locket::image {

void ImageAccounts::AddLayer(const LayerAccounts& layer) {
  for (auto [mine, added] :
       {std::pair{&passwd_, &layer.passwd}, std::pair{&group_, &layer.group}}) {
    if (added->content || added->hides_lower) *mine = *added;
  }
}

Result<std::string> ImageAccounts::Resolve(std::string_view user) const {
  auto numeric = ResolveUser(user, passwd_.content.value_or(""), group_.content.value_or(""));
  const bool states_group = user.find(':') < user.size() - 1;
  // Root's group is 0 whatever the file says; that of others is not to be guessed.
  if (numeric.ok() && numeric->uid != 0 && !states_group && !passwd_.trouble.empty()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "resolve USER '" + std::string(user) + "': its group is not known: " +
                     passwd_.trouble + "; give the image a USER of two numbers, UID:GID");
  }
  if (numeric.ok()) return numeric->ToText();
  std::string why = numeric.error().message();
  for (const LayerFile* file : {&passwd_, &group_}) {
    if (!file->trouble.empty()) why += "; " + file->trouble;
  }
  if (numeric.error().code() != ErrorCode::kNotFound) return std::move(numeric).error();
  return Error(ErrorCode::kFailedPrecondition, why + "; give the image a numeric USER");
}

}  // namespace locket::image
