// Result<T>: a value, or the reason there is none. The only way a function here reports failure.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace locket {

// What the caller can *do* about it. Names follow gRPC so the RPC edge maps them one to one;
// add a code only when some caller branches on it.
enum class ErrorCode {
  kInvalidArgument,  // the request is wrong; repeating it is pointless
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kFailedPrecondition,  // right request, wrong state
  kResourceExhausted,
  kUnavailable,  // try again later
  kDeadlineExceeded,
  kDataLoss,  // stored or received bytes fail their check; never retry silently
  kInternal,
  kUnimplemented,  // this end does not know the request
  kCancelled,      // given up on by whoever asked
};

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // Reads no global state: pass the errno you saved straight after the call that failed.
  static Error FromErrno(int saved_errno, std::string_view doing);

  // Says what we were doing when `*this` happened: "open image 'x'" + ": " + message().
  Error While(std::string_view doing) && {
    return {code_, std::string(doing).append(": ").append(message_)};
  }

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_;
  std::string message_;
};

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
using Status = Result<Unit>;  // success carries nothing
inline Status Ok() { return Unit{}; }

}  // namespace locket

#define LOCKET_CONCAT_INNER(a, b) a##b
#define LOCKET_CONCAT(a, b) LOCKET_CONCAT_INNER(a, b)

// LOCKET_TRY(expr);           returns early with expr's error
#define LOCKET_TRY(expr)                                                                     \
  do {                                                                                       \
    if (auto locket_try_ = (expr); !locket_try_.ok()) return std::move(locket_try_).error(); \
  } while (false)

// LOCKET_TRY_ASSIGN(auto fd, Open(path));   likewise, else binds the value
#define LOCKET_TRY_ASSIGN(decl, expr) \
  LOCKET_TRY_ASSIGN_IMPL(LOCKET_CONCAT(locket_try_, __LINE__), decl, expr)
#define LOCKET_TRY_ASSIGN_IMPL(tmp, decl, expr) \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()
