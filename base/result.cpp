#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace locket {
namespace {

ErrorCode CodeFromErrno(int saved_errno) {
  switch (saved_errno) {
    case EINVAL:
    case ENAMETOOLONG:
      return ErrorCode::kInvalidArgument;
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case EBUSY:
    case ENOTEMPTY:
      return ErrorCode::kFailedPrecondition;
    case ENOSPC:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorCode::kResourceExhausted;
    case EAGAIN:
    case ECONNREFUSED:
    case EPIPE:
      return ErrorCode::kUnavailable;
    case ETIMEDOUT:
      return ErrorCode::kDeadlineExceeded;
    case EBADMSG:
    case EILSEQ:
    case EUCLEAN:
      return ErrorCode::kDataLoss;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Error Error::FromErrno(int saved_errno, std::string_view doing) {
  return Error(CodeFromErrno(saved_errno), std::generic_category().message(saved_errno))
      .While(doing);
}

}  // namespace locket
