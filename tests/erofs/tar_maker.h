// Tars byte by byte, so that tests can say exactly what is wrong with one.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <utility>

namespace locket {

struct TarItem {
  std::string name;
  std::string data{};
  char type = '0';
  std::string link{};
  uint32_t mode = 0644;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t mtime = 0;
  uint32_t major = 0;
  uint32_t minor = 0;
  std::map<std::string, std::string> pax{};
};

class TarMaker {
 public:
  TarMaker& Add(const TarItem& item) {
    if (!item.pax.empty()) {
      std::string records;
      for (const auto& [key, value] : item.pax) records += PaxRecord(key, value);
      AddRaw({.name = "pax", .data = records, .type = 'x'});
    }
    return AddRaw(item);
  }
  // The data of `data_size` bytes is the caller's to append.
  TarMaker& AddHeaderOnly(const TarItem& item, uint64_t data_size) {
    return AddRaw(item, data_size);
  }
  TarMaker& Dir(const std::string& name) { return Add({.name = name, .type = '5', .mode = 0755}); }
  TarMaker& File(const std::string& name, const std::string& data) {
    return Add({.name = name, .data = data});
  }
  TarMaker& Symlink(const std::string& name, const std::string& target) {
    return Add({.name = name, .type = '2', .link = target, .mode = 0777});
  }
  TarMaker& HardLink(const std::string& name, const std::string& target) {
    return Add({.name = name, .type = '1', .link = target});
  }
  std::string Finish() const { return tar_ + std::string(1024, '\0'); }
  std::string Unfinished() const { return tar_; }

  static std::string PaxRecord(const std::string& key, const std::string& value) {
    const size_t rest = key.size() + value.size() + 3;
    size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) ++length;
    return std::to_string(length) + " " + key + "=" + value + "\n";
  }

 private:
  TarMaker& AddRaw(const TarItem& item) { return AddRaw(item, item.data.size()); }
  TarMaker& AddRaw(const TarItem& item, uint64_t data_size) {
    std::array<char, 512> header{};
    const auto text = [&](size_t at, size_t size, const std::string& value) {
      std::memcpy(header.data() + at, value.data(), std::min(size, value.size()));
    };
    const auto number = [&](size_t at, size_t digits, uint64_t value) {
      header[at + digits] = '\0';
      for (size_t i = digits; i-- > 0; value /= 8) {
        header[at + i] = static_cast<char>('0' + value % 8);
      }
    };
    text(0, 100, item.name);
    number(100, 7, item.mode);
    number(108, 7, item.uid);
    number(116, 7, item.gid);
    number(124, 11, data_size);
    number(136, 11, item.mtime);
    text(148, 8, "        ");
    header[156] = item.type;
    text(157, 100, item.link);
    std::memcpy(header.data() + 257, "ustar\00000", 8);
    number(329, 7, item.major);
    number(337, 7, item.minor);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    number(148, 6, sum);
    tar_.append(header.data(), header.size()).append(item.data);
    tar_.resize((tar_.size() + 511) / 512 * 512);
    return *this;
  }

  std::string tar_;
};

}  // namespace locket
