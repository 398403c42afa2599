#include "rpc/ttrpc_frame.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <vector>

#include "tests/rpc/peer.h"

namespace locket::rpc {
namespace {

std::vector<TtrpcFrame> DecodeAll(TtrpcFrameDecoder& decoder) {
  std::vector<TtrpcFrame> frames;
  while (auto frame = decoder.Next()) frames.push_back(*frame);
  return frames;
}

TEST(TtrpcFrameTest, EncodesBigEndianLengthStreamTypeFlags) {
  const std::string bytes =
      EncodeTtrpcFrame({.stream = 0x01020304, .type = 2, .flags = 5, .payload = "ab"});
  EXPECT_EQ(HexEncode(AsBytes(bytes)), "000000020102030402056162");
}

TEST(TtrpcFrameTest, DecodesHoweverTheBytesAreCut) {
  const TtrpcFrame first{.stream = 1, .type = kTtrpcRequest, .payload = "hello"};
  const TtrpcFrame empty{.stream = 3, .type = 9, .flags = 1};
  const std::string bytes = EncodeTtrpcFrame(first) + EncodeTtrpcFrame(empty);
  for (size_t step = 1; step <= bytes.size(); ++step) {
    TtrpcFrameDecoder decoder;
    std::vector<TtrpcFrame> frames;
    for (size_t at = 0; at < bytes.size(); at += step) {
      decoder.Feed(AsBytes(std::string_view(bytes).substr(at, step)));
      for (auto& frame : DecodeAll(decoder)) frames.push_back(frame);
    }
    EXPECT_THAT(frames, testing::ElementsAre(first, empty)) << "in steps of " << step;
    EXPECT_FALSE(decoder.inside_frame());
  }
}

TEST(TtrpcFrameTest, TakesTheLargestPayload) {
  const TtrpcFrame largest{.stream = 1, .type = 1, .payload = std::string(kMaxTtrpcPayload, 'x')};
  TtrpcFrameDecoder decoder;
  decoder.Feed(AsBytes(EncodeTtrpcFrame(largest)));
  EXPECT_EQ(decoder.Next(), largest);
}

TEST(TtrpcFrameTest, SkipsAnOversizeFrameAndFindsTheNext) {
  const TtrpcFrame next{.stream = 7, .type = kTtrpcRequest, .payload = "next"};
  const std::string tail = EncodeTtrpcFrame(next);
  TtrpcFrameDecoder decoder;
  decoder.Feed(*HexDecode("00400001000000050100"));
  std::vector<TtrpcFrame> frames = DecodeAll(decoder);
  EXPECT_TRUE(frames.empty()) << "it is told once it is skipped";
  std::string rest(kMaxTtrpcPayload + 1, 'x');
  rest += tail;
  for (size_t at = 0; at < rest.size(); at += 65536) {
    EXPECT_TRUE(decoder.inside_frame());
    decoder.Feed(AsBytes(std::string_view(rest).substr(at, 65536)));
    for (auto& frame : DecodeAll(decoder)) frames.push_back(frame);
  }
  EXPECT_THAT(frames,
              testing::ElementsAre(TtrpcFrame{.stream = 5, .type = 1, .oversize = 4194305}, next));
  EXPECT_FALSE(decoder.inside_frame());
}

TEST(TtrpcFrameTest, SkipsAnOversizeFrameThatCameInOneFeed) {
  TtrpcFrameDecoder decoder;
  const auto header = *HexDecode("00400001000000050100");
  const std::string bytes = std::string(AsText(header)) + std::string(kMaxTtrpcPayload + 1, 'x');
  decoder.Feed(AsBytes(bytes));
  ASSERT_THAT(DecodeAll(decoder), testing::SizeIs(1));
}

TEST(TtrpcFrameTest, KnowsWhenItIsInsideAFrame) {
  const std::string bytes = EncodeTtrpcFrame({.stream = 1, .type = 1, .payload = "p"});
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    TtrpcFrameDecoder decoder;
    EXPECT_FALSE(decoder.inside_frame());
    decoder.Feed(AsBytes(std::string_view(bytes).substr(0, cut)));
    EXPECT_FALSE(decoder.Next());
    EXPECT_TRUE(decoder.inside_frame()) << cut;
  }
}

TEST(PrepareStreamTest, RefusesWhatIsNoStreamSocket) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd read(ends[0]);
  const UniqueFd write(ends[1]);
  const auto prepared = PrepareStream(read);
  ASSERT_FALSE(prepared.ok());
  EXPECT_EQ(prepared.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(prepared.error().message(), "ttrpc stream: not a stream socket");
}

TEST(SendAllTest, APeerThatLeftIsUnavailable) {
  SocketPair pair;
  pair.theirs.reset();
  const auto sent = SendAll(pair.ours.get(), AsBytes("x"));
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(sent.error().message(), "send: Broken pipe");
}

}  // namespace
}  // namespace locket::rpc
