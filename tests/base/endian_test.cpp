#include "base/endian.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/encoding.h"

namespace locket {
namespace {

TEST(EndianTest, TheLeastOrTheMostSignificantByteComesFirst) {
  EXPECT_EQ(AsText(ToLittleEndian(uint32_t{0x61626364})), "dcba");
  EXPECT_EQ(AsText(ToBigEndian(uint32_t{0x61626364})), "abcd");
  EXPECT_EQ(FromLittleEndian<uint32_t>(AsBytes("dcba and more")), 0x61626364U);
  EXPECT_EQ(FromBigEndian<uint32_t>(AsBytes("abcd and more")), 0x61626364U);
}

template <typename T>
void ExpectRoundTrips() {
  constexpr T kMax = std::numeric_limits<T>::max();
  for (const T value : {T{0}, T{1}, T{0x80}, T{kMax / 2}, T{kMax / 2 + 1}, T{kMax - 1}, kMax}) {
    EXPECT_EQ(FromLittleEndian<T>(ToLittleEndian(value)), value);
    EXPECT_EQ(FromBigEndian<T>(ToBigEndian(value)), value);
  }
}

TEST(EndianTest, EveryWidthRoundTrips) {
  ExpectRoundTrips<uint8_t>();
  ExpectRoundTrips<uint16_t>();
  ExpectRoundTrips<uint32_t>();
  ExpectRoundTrips<uint64_t>();
}

}  // namespace
}  // namespace locket
