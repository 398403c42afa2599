#include "base/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>

namespace locket {
namespace {

TEST(ErrorTest, AMessageGoesFromTheOutsideIn) {
  const Error error = Error(ErrorCode::kNotFound, "no such key").While("read 'x'").While("start");
  EXPECT_EQ(error.message(), "start: read 'x': no such key");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
}

TEST(ErrorTest, AnErrnoBecomesTheCodeThatSaysWhatToDo) {
  const std::pair<int, ErrorCode> cases[] = {{ENOENT, ErrorCode::kNotFound},
                                             {EEXIST, ErrorCode::kAlreadyExists},
                                             {EACCES, ErrorCode::kPermissionDenied},
                                             {EROFS, ErrorCode::kPermissionDenied},
                                             {EBUSY, ErrorCode::kFailedPrecondition},
                                             {ENOSPC, ErrorCode::kResourceExhausted},
                                             {ECONNREFUSED, ErrorCode::kUnavailable},
                                             {ETIMEDOUT, ErrorCode::kDeadlineExceeded},
                                             {EILSEQ, ErrorCode::kDataLoss},
                                             {EINVAL, ErrorCode::kInvalidArgument},
                                             {EIO, ErrorCode::kInternal}};
  for (const auto& [number, code] : cases) {
    const Error error = Error::FromErrno(number, "open 'x'");
    EXPECT_EQ(error.code(), code) << number;
    EXPECT_THAT(error.message(), ::testing::StartsWith("open 'x': ")) << number;
  }
}

Result<std::unique_ptr<int>> Make(bool works) {
  if (!works) return Error(ErrorCode::kUnavailable, "it does not work");
  return std::make_unique<int>(7);
}

Result<int> Twice(bool works) {
  LOCKET_TRY_ASSIGN(const auto made, Make(works).While("make"));
  return *made * 2;
}

Status Check(bool works, bool* reached) {
  LOCKET_TRY(Make(works));
  *reached = true;
  return Ok();
}

TEST(ResultTest, TryAssignMovesTheValueOrReturnsTheError) {
  EXPECT_EQ(*Twice(true), 14);
  const auto failed = Twice(false);
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(failed.error().message(), "make: it does not work");
}

TEST(ResultTest, TryGoesOnOrReturnsTheError) {
  bool reached = false;
  EXPECT_FALSE(Check(false, &reached).ok());
  EXPECT_FALSE(reached);
  EXPECT_TRUE(Check(true, &reached).ok());
  EXPECT_TRUE(reached);
}

TEST(ResultTest, WhileLeavesASuccessAlone) {
  auto made = Make(true).While("make");
  ASSERT_TRUE(made.ok());
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 7);
}

}  // namespace
}  // namespace locket
