// Unsigned integers as bytes in a fixed order, whatever the order of the machine is. For texts, go
// through AsBytes and AsText of base/encoding.h: `out += AsText(ToBigEndian(uint32_t{7}))`.
#pragma once

#include <array>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <span>

namespace locket {

// Returns the bytes of `value`, the least significant first.
template <std::unsigned_integral T>
constexpr std::array<std::byte, sizeof(T)> ToLittleEndian(T value) {
  std::array<std::byte, sizeof(T)> bytes{};
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

// Returns the bytes of `value`, the most significant first. As texts, such bytes sort like the
// numbers they stand for.
template <std::unsigned_integral T>
constexpr std::array<std::byte, sizeof(T)> ToBigEndian(T value) {
  std::array<std::byte, sizeof(T)> bytes{};
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[sizeof(T) - 1 - i] = static_cast<std::byte>(value >> (8 * i));
  }
  return bytes;
}

// Returns the number in the first sizeof(T) bytes of `bytes`, the least significant byte first.
// `bytes` may be longer and must not be shorter: the caller has checked the length.
template <std::unsigned_integral T>
constexpr T FromLittleEndian(std::span<const std::byte> bytes) {
  assert(bytes.size() >= sizeof(T));
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8 | std::to_integer<T>(bytes[i]));
  }
  return value;
}

// Returns the number in the first sizeof(T) bytes of `bytes`, the most significant byte first.
// `bytes` may be longer and must not be shorter: the caller has checked the length.
template <std::unsigned_integral T>
constexpr T FromBigEndian(std::span<const std::byte> bytes) {
  assert(bytes.size() >= sizeof(T));
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8 | std::to_integer<T>(bytes[i]));
  }
  return value;
}

}  // namespace locket
