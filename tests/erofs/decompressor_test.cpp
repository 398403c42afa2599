#include "erofs/decompressor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/erofs/build_image.h"

namespace locket::erofs {
namespace {

using ::testing::HasSubstr;

std::string Packed(const std::string& plain, const std::vector<std::string>& program) {
  const auto run = RunCommand(program, {.input = plain});
  EXPECT_TRUE(run.ok() && run->exit_status == 0) << program.front();
  return run->standard_output;
}

std::string Gzip(const std::string& plain) { return Packed(plain, {"gzip", "-nc"}); }
std::string Zstd(const std::string& plain) { return Packed(plain, {"zstd", "-qc"}); }

// Some 300 KB that compress, but not to nothing.
std::string SomeText() {
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += std::to_string(i * 7919 % 100'003) + "\n";
  return text;
}

Result<std::string> Unpacked(const std::string& bytes, size_t piece = SIZE_MAX,
                             size_t step = 70'000) {
  LOCKET_TRY_ASSIGN(auto decompressor, Decompressor::Open(SourceOf(bytes, piece)));
  std::string all;
  std::vector<std::byte> buffer(step);
  while (true) {
    LOCKET_TRY_ASSIGN(const size_t got, decompressor.Read(buffer));
    if (got == 0) return all;
    all.append(reinterpret_cast<const char*>(buffer.data()), got);
  }
}

TEST(DecompressorTest, GivesWhatWentInHoweverItWasPackedAndCutIntoPieces) {
  const std::string text = SomeText();
  const std::string packed[] = {text,
                                Gzip(text),
                                Packed(text, {"gzip", "-c", "-1"}),  // with a time
                                Packed(text, {"igzip", "-c"}),
                                Zstd(text),
                                Packed(text, {"zstd", "-qc", "-19", "--check"}),
                                Gzip(text.substr(0, 1000)) + Gzip("") + Gzip(text.substr(1000)),
                                Zstd(text.substr(0, 1000)) + Zstd(text.substr(1000))};
  for (const std::string& bytes : packed) {
    for (const auto& [piece, step] : {std::pair<size_t, size_t>{SIZE_MAX, 1U << 20},
                                      {1, 70'000},
                                      {1000, 1},
                                      {1U << 18, 4096}}) {
      const auto unpacked = Unpacked(bytes, piece, step);
      ASSERT_TRUE(unpacked.ok()) << unpacked.error().message();
      EXPECT_TRUE(*unpacked == text) << bytes.size() << " bytes, by " << piece << ", " << step;
    }
  }
}

TEST(DecompressorTest, LetsThroughWhatIsNotPacked) {
  for (const std::string& plain : {std::string(), std::string("\x1f"), std::string("\x28\xb5\x2f"),
                                   std::string("text"), std::string("\x50\x2a\x4d\x19")}) {
    EXPECT_EQ(*Unpacked(plain), plain);
  }
}

// pzstd and zstd:chunked begin with such a frame.
TEST(DecompressorTest, SkipsSkippableFrames) {
  const std::string frame("\x51\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(*Unpacked(frame + Zstd("text") + frame), "text");
}

TEST(DecompressorTest, NoticesEachCut) {
  const std::string text = SomeText().substr(0, 3000);
  for (const std::string& whole : {Gzip(text), Zstd(text)}) {
    for (size_t size = 4; size < whole.size(); size += size < 30 ? 1 : 13) {
      const auto unpacked = Unpacked(whole.substr(0, size));
      ASSERT_FALSE(unpacked.ok()) << size << " of " << whole.size();
      EXPECT_EQ(unpacked.error().code(), ErrorCode::kDataLoss);
      EXPECT_EQ(unpacked.error().message(), "the compressed stream is damaged: it is cut short");
    }
  }
}

TEST(DecompressorTest, NoticesDamageAndNamesIt) {
  const std::string gzip = Gzip(SomeText());
  std::string checksum = gzip;
  checksum[gzip.size() - 6] = static_cast<char>(checksum[gzip.size() - 6] ^ 1);
  std::string length = gzip;
  length[gzip.size() - 1] = static_cast<char>(length[gzip.size() - 1] ^ 1);
  std::string method = gzip;
  method[2] = 7;
  std::string block = gzip.substr(0, 10) + "\xff" + gzip.substr(11);
  std::string zstd = Packed(SomeText(), {"zstd", "-qc", "--check"});
  zstd.back() = static_cast<char>(zstd.back() ^ 1);
  const std::pair<std::string, const char*> table[] = {
      {checksum, "damaged: a checksum is wrong"},
      {length, "damaged: a checksum is wrong"},
      {method, "damaged: its header is not gzip's"},
      {block, "damaged: an invalid block"},
      {zstd, "damaged: Restored data doesn't match checksum"},
      {gzip + "m", "damaged: more follows after its end"},
      {gzip + "more", "damaged: more follows after its end"},
      {gzip + std::string(512, '\0'), "damaged: more follows after its end"},
      {Zstd("text") + "more", "damaged: Unknown frame descriptor"}};
  for (const auto& [bytes, reason] : table) {
    const auto unpacked = Unpacked(bytes);
    ASSERT_FALSE(unpacked.ok()) << reason;
    EXPECT_EQ(unpacked.error().code(), ErrorCode::kDataLoss);
    EXPECT_THAT(unpacked.error().message(), HasSubstr(reason));
  }
}

// A window of 2 GiB is what `zstd --ultra -22 --long=31` asks of the reader.
TEST(DecompressorTest, RefusesAWindowThatWouldTakeGigabytes) {
  const std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  const auto unpacked = Unpacked(frame);
  ASSERT_FALSE(unpacked.ok());
  EXPECT_THAT(unpacked.error().message(), HasSubstr("requires too much memory"));
}

TEST(DecompressorTest, PassesOnErrorsOfTheSourceAndDoesNotCallItAgain) {
  const std::string gzip = Gzip(SomeText());
  for (const std::string& bytes : {SomeText(), gzip, Zstd(SomeText())}) {
    for (int calls = 0; calls < 5; ++calls) {
      int made = 0;
      const auto good = SourceOf(bytes, 3000);
      const auto source = [&](std::span<std::byte> out) -> Result<size_t> {
        EXPECT_LE(made, calls) << "called again after an error";
        if (made++ == calls) return Error(ErrorCode::kUnavailable, "connection reset");
        return good(out);
      };
      auto decompressor = Decompressor::Open(source);
      auto got = decompressor.ok() ? Result<size_t>(1) : Result<size_t>(decompressor.error());
      std::vector<std::byte> buffer(1000);
      while (got.ok() && *got > 0) got = decompressor->Read(buffer);
      ASSERT_FALSE(got.ok());
      EXPECT_EQ(got.error().message(), "connection reset");
    }
  }
}

}  // namespace
}  // namespace locket::erofs
