#include "rpc/relay_frame.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "base/encoding.h"
#include "base/unique_fd.h"

namespace locket::rpc {
namespace {

using testing::HasSubstr;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read;
  UniqueFd write;
};

TEST(RelayFrameTest, EncodesAsTheFormatSays) {
  const auto bytes = EncodeRelayFrame({RelayType::kData, 0x01020304, "ab"});
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(HexEncode(AsBytes(*bytes)), "0304030201020000006162");
}

TEST(RelayFrameTest, RefusesToEncodeTooMuch) {
  const auto bytes = EncodeRelayFrame({RelayType::kData, 1, std::string(65537, 'x')});
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.error().code(), ErrorCode::kInvalidArgument);
}

TEST(RelayFrameTest, DecodesFramesFedByteByByte) {
  const RelayFrame open{RelayType::kOpen, 7, "broker:8443"};
  const RelayFrame close{RelayType::kClose, 7};
  const std::string bytes = *EncodeRelayFrame(open) + *EncodeRelayFrame(close);
  RelayFrameDecoder decoder;
  std::vector<RelayFrame> frames;
  for (const char byte : bytes) {
    decoder.Feed(AsBytes({&byte, 1}));
    auto frame = decoder.Next();
    ASSERT_TRUE(frame.ok());
    if (*frame) frames.push_back(**frame);
  }
  EXPECT_THAT(frames, testing::ElementsAre(open, close));
  EXPECT_EQ(decoder.pending_bytes(), 0U);
}

TEST(RelayFrameTest, DecodesSeveralFramesOfOneFeed) {
  const RelayFrame data{RelayType::kData, 1, std::string(65536, 'd')};
  RelayFrameDecoder decoder;
  decoder.Feed(AsBytes(*EncodeRelayFrame(data) + *EncodeRelayFrame({RelayType::kOpened, 2})));
  EXPECT_EQ(**decoder.Next(), data);
  EXPECT_EQ((**decoder.Next()).type, RelayType::kOpened);
  EXPECT_FALSE(decoder.Next()->has_value());
}

struct BadFrame {
  const char* hex;
  const char* why;
};
void PrintTo(const BadFrame& frame, std::ostream* out) { *out << frame.why; }

class BadRelayFrameTest : public testing::TestWithParam<BadFrame> {};

TEST_P(BadRelayFrameTest, IsRefusedByBothReaders) {
  const auto bytes = *HexDecode(GetParam().hex);
  RelayFrameDecoder decoder;
  decoder.Feed(bytes);
  for (int i = 0; i < 2; ++i) {  // it stays refused
    const auto frame = decoder.Next();
    ASSERT_FALSE(frame.ok());
    EXPECT_EQ(frame.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(frame.error().message(), HasSubstr(GetParam().why));
  }
  Pipe pipe;
  ASSERT_EQ(::write(pipe.write.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  const auto frame = ReadRelayFrame(pipe.read.get());
  ASSERT_FALSE(frame.ok());
  EXPECT_THAT(frame.error().message(), HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(All, BadRelayFrameTest,
                         testing::Values(BadFrame{"000100000000000000", "unknown type 0"},
                                         BadFrame{"050100000000000000", "unknown type 5"},
                                         BadFrame{"030100000001000100", "65537 bytes"},
                                         BadFrame{"0301000000ffffffff", "4294967295 bytes"},
                                         BadFrame{"020100000001000000", "OPENED"}));

TEST(RelayFrameTest, CrossesADescriptorAndEndsCleanly) {
  Pipe pipe;
  const RelayFrame frame{RelayType::kClose, 3, "no such host"};
  ASSERT_TRUE(WriteRelayFrame(pipe.write.get(), frame).ok());
  pipe.write.reset();
  EXPECT_EQ(**ReadRelayFrame(pipe.read.get()), frame);
  EXPECT_FALSE(ReadRelayFrame(pipe.read.get())->has_value());
}

TEST(RelayFrameTest, AnEndInsideAFrameIsDataLoss) {
  const std::string whole = *EncodeRelayFrame({RelayType::kData, 1, "abc"});
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    Pipe pipe;
    ASSERT_EQ(::write(pipe.write.get(), whole.data(), cut), static_cast<ssize_t>(cut));
    pipe.write.reset();
    const auto frame = ReadRelayFrame(pipe.read.get());
    ASSERT_FALSE(frame.ok()) << cut;
    EXPECT_EQ(frame.error().code(), ErrorCode::kDataLoss);
  }
}

}  // namespace
}  // namespace locket::rpc
