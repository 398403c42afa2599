#include "erofs/tar_header.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/erofs/tar_maker.h"

namespace locket::erofs {
namespace {

TarBlock BlockOf(const std::string& tar) {
  TarBlock block;
  std::memcpy(block.data(), tar.data(), block.size());
  return block;
}

// The header of `item` with `bytes` at `at`, and its checksum right.
TarBlock Changed(size_t at, const std::string& bytes, const TarItem& item = {.name = "name"}) {
  std::string tar = TarMaker().Add(item).Unfinished();
  tar.replace(at, bytes.size(), bytes);
  tar.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : tar.substr(0, 512)) sum += static_cast<unsigned char>(c);
  std::array<char, 9> text;
  std::snprintf(text.data(), text.size(), "%06o", sum & 0777777);
  tar.replace(148, 7, std::string(text.data(), 7));
  return BlockOf(tar);
}

std::optional<int64_t> Number(const std::string& field) {
  TarBlock block{};
  std::memcpy(block.data() + 100, field.data(), field.size());
  return TarNumber(block, 100, field.size());
}

TEST(TarHeaderTest, NumbersAreOctalOrBinary) {
  struct Case {
    std::string field;
    std::optional<int64_t> number;
  };
  const Case cases[] = {
      {std::string("0000644\0", 8), 0644},
      {std::string("   644 \0", 8), 0644},
      {std::string("644\0\0\0\0\0", 8), 0644},
      {"00000644", 0644},
      {std::string("644\0junk", 8), 0644},
      {std::string(8, '\0'), 0},
      {std::string(8, ' '), 0},
      {std::string("77777777777\0", 12), 077777777777},
      {"777777777777", 0777777777777},
      {std::string("\x80\0\0\0\0\0\0\x05", 8), 5},
      {std::string("\x80\0\0\0\0\0\0\0\xff\xff\xff\xff", 12), 0xffffffff},
      {std::string(8, '\xff'), -1},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\0", 12), -512},
      {std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12), INT64_MAX},
      {std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12), std::nullopt},
      {std::string("\xbf", 1) + std::string(11, '\xff'), std::nullopt},
      {std::string("0000648\0", 8), std::nullopt},
      {std::string("64 4   \0", 8), std::nullopt},
      {std::string("-000644\0", 8), std::nullopt},
      {std::string("0x00644\0", 8), std::nullopt},
  };
  for (const Case& one : cases) EXPECT_EQ(Number(one.field), one.number) << one.field;
}

TEST(TarHeaderTest, EveryNumericFieldHasToHoldANumber) {
  const std::pair<size_t, const char*> fields[] = {{100, "mode"},
                                                   {108, "uid"},
                                                   {116, "gid"},
                                                   {124, "size"},
                                                   {136, "modification time"},
                                                   {329, "device number"},
                                                   {337, "device number"}};
  for (const auto& [at, name] : fields) {
    const auto header = DecodeTarHeader(Changed(at, "9"));
    ASSERT_FALSE(header.ok()) << name;
    EXPECT_EQ(header.error().message(), std::string("its ") + name + " is malformed");
  }
}

TEST(TarHeaderTest, AStarHeaderHasTwoMoreNumbers) {
  const std::string trailer("tar\0", 4);
  EXPECT_EQ(DecodeTarHeader(Changed(508, trailer))->format, TarFormat::kStar);
  for (const size_t at : {476U, 488U}) {
    std::string tail(512 - at, '\0');
    tail.replace(tail.size() - 4, 4, trailer);
    tail[0] = '9';
    const auto header = DecodeTarHeader(Changed(at, tail));
    ASSERT_FALSE(header.ok()) << at;
    EXPECT_EQ(header.error().message(),
              at == 476 ? "its access time is malformed" : "its change time is malformed");
  }
}

TEST(TarHeaderTest, TheChecksumHasToFitAsUnsignedOrSignedBytes) {
  TarBlock block = Changed(0, "\xe4\xf6");
  EXPECT_TRUE(DecodeTarHeader(block).ok());
  int sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    sum += i >= 148 && i < 156 ? ' ' : static_cast<signed char>(block[i]);
  }
  std::snprintf(block.data() + 148, 8, "%06o", static_cast<unsigned>(sum));
  EXPECT_TRUE(DecodeTarHeader(block).ok());
  block[148] ^= 1;
  const auto header = DecodeTarHeader(block);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.error().message(), "it is not a tar header: its checksum does not fit");
}

TEST(TarHeaderTest, OnlyFormatsThatHaveAPrefixAreReadWithOne) {
  const std::string prefix = "pre";
  EXPECT_EQ(DecodeTarHeader(Changed(345, prefix))->name, "pre/name");
  TarBlock star = Changed(345, prefix);
  EXPECT_EQ(DecodeTarHeader(star)->format, TarFormat::kUstar);
  const std::string gnu("ustar  \0", 8);
  // A time there, as GNU tar writes it.
  const auto with_time = DecodeTarHeader(Changed(257, gnu + std::string(80, '\0') + "00000000123"));
  EXPECT_EQ(with_time->format, TarFormat::kGnu);
  EXPECT_EQ(with_time->name, "name");
  // What Go before 1.8 wrote, and images of that time have.
  EXPECT_EQ(DecodeTarHeader(Changed(257, gnu + std::string(80, '\0') + "dir/sub"))->name,
            "dir/sub/name");
  EXPECT_EQ(DecodeTarHeader(Changed(257, std::string(8, '\0') + std::string(80, '\0') + "x"))->name,
            "name")
      << "v7 has none";
}

}  // namespace
}  // namespace locket::erofs
