#include "key-broker/problems.h"

#include "attest/kbs/kbs_messages.h"
#include "base/log.h"

namespace locket::key_broker {

Response Refuse(std::string_view name, const Error& error) {
  int status = 401;
  if (name == attest::kInvalidRequestPath) status = 404;
  if (name == attest::kInvalidRequest) status = 400;
  if (error.code() == ErrorCode::kResourceExhausted) status = 503;
  return {.status = status,
          .body = attest::EncodeProblem({.name = std::string(name), .detail = error.message()})};
}

Response NoSuchPath(const std::string& path) {
  return Refuse(
      attest::kInvalidRequestPath,
      Error(ErrorCode::kNotFound, "no such path or method: '" + path.substr(0, 512) + "'"));
}

Response Broken(const Error& error) {
  log::Error("request failed", {log::Field(error)});
  return {.status = 500,
          .body = attest::EncodeProblem({.name = std::string(attest::kInternalError),
                                         .detail = "the broker failed; its log says why"})};
}

}  // namespace locket::key_broker
