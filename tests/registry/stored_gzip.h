// gzip without compression: its blocks hold the bytes as they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace locket::registry {

inline std::string StoredGzip(const std::string& bytes) {
  const auto little_endian = [](uint64_t value, unsigned size) {
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += static_cast<char>((value >> (8U * i)) & 0xffU);
    return text;
  };
  uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min<size_t>(bytes.size() - at, 65535);
    out += at + n == bytes.size() ? '\x01' : '\0';
    out += little_endian(n, 2) + little_endian(~n & 0xffffU, 2) + bytes.substr(at, n);
    at += n;
  }
  return out + little_endian(~crc, 4) + little_endian(bytes.size(), 4);
}

}  // namespace locket::registry
