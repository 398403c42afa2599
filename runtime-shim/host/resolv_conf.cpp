#include "runtime-shim/host/resolv_conf.h"

#include <arpa/inet.h>

#include <optional>

namespace locket::runtime_shim {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

// The next word of `line`, taken off it; empty at its end.
std::string_view TakeWord(std::string_view& line) {
  const size_t begin = line.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
    words.emplace_back(word);
  }
  return words;
}

std::optional<std::string> AddressFromText(const std::string& text) {
  std::string bytes(sizeof(in6_addr), '\0');
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(sizeof(in_addr));
  if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

void ParseLine(std::string_view line, DnsConfig& config) {
  const std::string_view keyword = TakeWord(line);
  std::vector<std::string> words = Words(line);
  if (words.empty()) return;
  if (keyword == "nameserver") {
    const auto address = AddressFromText(words.front());
    if (address && config.nameservers.size() < kMaxNameservers) {
      config.nameservers.push_back(*address);
    }
  } else if (keyword == "search") {
    config.searches = std::move(words);
  } else if (keyword == "domain") {
    config.searches = {words.front()};
  } else if (keyword == "options") {
    config.options.insert(config.options.end(), words.begin(), words.end());
  }
}

}  // namespace

Result<DnsConfig> ParseResolvConf(std::string_view text) {
  if (text.size() > kMaxResolvConfBytes) {
    return Error(ErrorCode::kInvalidArgument, "resolv.conf is larger than 64 KiB");
  }
  DnsConfig config;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ParseLine(line, config);
  }
  if (config.searches.size() > kMaxSearches || config.options.size() > kMaxResolverOptions) {
    return Error(ErrorCode::kInvalidArgument,
                 "resolv.conf has more than 32 search domains or options");
  }
  return config;
}

}  // namespace locket::runtime_shim
