// Result<T>: a value, or the reason why there is none. Every function that can fail returns one;
// nothing here throws. A result that is dropped is a compiler warning.
//
//   Result<UniqueFd> Open(const std::string& name) {
//     LOCKET_TRY_ASSIGN(const auto path, PathOf(name));        // its error is returned as it is
//     LOCKET_TRY(CheckPath(path).While("open '" + name + "'"));  // ... or with what we were doing
//     return OpenFile(path, O_RDONLY);
//   }
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace locket {

// What the caller can do about a failure. The names are gRPC's, and rpc/status.h gives each its
// number there. A code is added only when some caller branches on it.
enum class ErrorCode {
  kInvalidArgument,     // the request is wrong; repeating it is pointless
  kNotFound,            // the thing that was named does not exist
  kAlreadyExists,       // it exists, and the request was to make it
  kPermissionDenied,    // a policy or the system forbids it; a person has to change that
  kFailedPrecondition,  // the request is right, but not in the present state
  kResourceExhausted,   // a limit, the disk or the memory: free some or raise the limit first
  kUnavailable,         // try again later
  kDeadlineExceeded,    // it may have happened all the same
  kDataLoss,            // stored or received bytes fail their check; never retry silently
  kInternal,            // a bug, or an answer that no code fits
  kUnimplemented,       // this end does not know the request
  kCancelled,           // the one who asked has given up
};

// A code for the program and a message for a person. The message goes from the outside in, one
// clause for each layer that knew something: "open volume 'data': create device 'data-verity':
// Invalid argument". It names its subject, and never holds a secret.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // Makes the error of a system call: the code that goes best with `saved_errno`, and a message of
  // `doing` and the system's words for it. Does not read errno: pass the value that you saved
  // right after the call. Codes that callers look for (result.cpp has the whole table):
  //   kNotFound             ENOENT, ENODEV, ENXIO
  //   kAlreadyExists        EEXIST
  //   kPermissionDenied     EACCES, EPERM, EROFS
  //   kFailedPrecondition   EBUSY, ENOTEMPTY
  //   kResourceExhausted    ENOSPC, ENOMEM, EMFILE, ENFILE
  //   kInternal             what the table does not have, EIO among them
  static Error FromErrno(int saved_errno, std::string_view doing);

  // Returns the error with "`doing`: " before its message. The code stays.
  Error While(std::string_view doing) && {
    return {code_, std::string(doing).append(": ").append(message_)};
  }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

// Check ok() before value(), `*` and `->`, and before error(): each is a bug without its state, and
// an assertion in a debug build.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(*-explicit-*)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  bool ok() const { return state_.index() == 0; }
  T& value() & { return Get(); }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && { return std::move(Get()); }
  T* operator->() { return &Get(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return Get(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(Get()); }

  const Error& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

  Result While(std::string_view doing) && {
    if (ok()) return std::move(*this);
    return std::move(*this).error().While(doing);
  }

 private:
  T& Get() {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

struct Unit {};
// For functions that return nothing on success.
using Status = Result<Unit>;
inline Status Ok() { return Unit{}; }

}  // namespace locket

#define LOCKET_CONCAT_INNER(a, b) a##b
#define LOCKET_CONCAT(a, b) LOCKET_CONCAT_INNER(a, b)

// LOCKET_TRY(expr); evaluates `expr` once, and returns its error from the calling function if it
// has one.
#define LOCKET_TRY(expr)                                                                     \
  do {                                                                                       \
    if (auto locket_try_ = (expr); !locket_try_.ok()) return std::move(locket_try_).error(); \
  } while (false)

// LOCKET_TRY_ASSIGN(auto fd, Open(path)); does the same, else moves the value into the declaration.
// It is two statements, so an `if` before it needs braces.
#define LOCKET_TRY_ASSIGN(decl, expr) \
  LOCKET_TRY_ASSIGN_IMPL(LOCKET_CONCAT(locket_try_, __LINE__), decl, expr)
#define LOCKET_TRY_ASSIGN_IMPL(tmp, decl, expr) \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()
