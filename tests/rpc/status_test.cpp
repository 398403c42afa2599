#include "rpc/status.h"

#include <gtest/gtest.h>

#include <array>

#include "proto/rpc_status.pb.h"

namespace locket::rpc {
namespace {

constexpr std::array kAllCodes{
    ErrorCode::kInvalidArgument,  ErrorCode::kNotFound,           ErrorCode::kAlreadyExists,
    ErrorCode::kPermissionDenied, ErrorCode::kFailedPrecondition, ErrorCode::kResourceExhausted,
    ErrorCode::kUnavailable,      ErrorCode::kDeadlineExceeded,   ErrorCode::kDataLoss,
    ErrorCode::kInternal,         ErrorCode::kUnimplemented,      ErrorCode::kCancelled,
};

TEST(StatusTest, EveryCodeCrossesTheWireUnchanged) {
  for (const ErrorCode code : kAllCodes) EXPECT_EQ(CodeFromWire(WireCode(code)), code);
}

TEST(StatusTest, NumbersAreThoseOfGrpc) {
  EXPECT_EQ(WireCode(ErrorCode::kNotFound), google::rpc::NOT_FOUND);
  EXPECT_EQ(WireCode(ErrorCode::kAlreadyExists), google::rpc::ALREADY_EXISTS);
  EXPECT_EQ(WireCode(ErrorCode::kUnimplemented), google::rpc::UNIMPLEMENTED);
  EXPECT_EQ(WireCode(ErrorCode::kInternal), google::rpc::INTERNAL);
  EXPECT_EQ(WireCode(ErrorCode::kDataLoss), google::rpc::DATA_LOSS);
}

TEST(StatusTest, CodesOnlyOthersSendBecomeTheNearestOfOurs) {
  EXPECT_EQ(CodeFromWire(google::rpc::UNKNOWN), ErrorCode::kInternal);
  EXPECT_EQ(CodeFromWire(google::rpc::ABORTED), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeFromWire(google::rpc::OUT_OF_RANGE), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeFromWire(google::rpc::UNAUTHENTICATED), ErrorCode::kPermissionDenied);
  EXPECT_EQ(CodeFromWire(17), ErrorCode::kInternal);
  EXPECT_EQ(CodeFromWire(-1), ErrorCode::kInternal);
}

struct Text {
  const char* in;
  const char* out;
};

TEST(StatusTest, MessagesAreValidUtf8) {
  for (const auto& [in, out] : std::to_array<Text>({
           {"plain", "plain"},
           {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x94\x92", "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x94\x92"},
           {"a\xFFz", "a?z"},
           {"\xC0\x80", "??"},            // overlong
           {"\xE0\x80\x80", "???"},       // overlong
           {"\xED\xA0\x80", "???"},       // a surrogate
           {"\xF4\x90\x80\x80", "????"},  // above U+10FFFF
           {"\xE2\x82", "??"},            // cut off
           {"\xE2\x82z", "??z"},
       })) {
    EXPECT_EQ(WireMessage(in), out);
  }
}

TEST(StatusTest, LongMessagesAreCutBetweenCharacters) {
  std::string text(16383, 'a');
  text += "\xC3\xA9";
  EXPECT_EQ(WireMessage(text), std::string(16383, 'a'));
}

}  // namespace
}  // namespace locket::rpc
