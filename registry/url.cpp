#include "registry/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

namespace locket::registry {
namespace {

constexpr size_t kMaxUrlBytes = 8192;

struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, UrlFree>;

std::string Part(CURLU* url, CURLUPart part, unsigned int flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

Error Bad(std::string_view text, const char* why) {
  return {ErrorCode::kInvalidArgument,
          "'" + std::string(text.substr(0, 256)) + "' is not a usable URL: " + why};
}

Result<Url> FromHandle(CURLU* handle, std::string_view text) {
  Url url{.scheme = Part(handle, CURLUPART_SCHEME),
          .host = Part(handle, CURLUPART_HOST),
          .port = 0,
          .path = Part(handle, CURLUPART_PATH),
          .text = Part(handle, CURLUPART_URL)};
  if (url.scheme != "http" && url.scheme != "https") return Bad(text, "neither http nor https");
  // Its user would win over the credentials meant for this host.
  if (!Part(handle, CURLUPART_USER).empty()) return Bad(text, "holds a user name");
  const std::string port = Part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  std::ranges::transform(url.host, url.host.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  if (url.host.empty() || url.port == 0) return Bad(text, "no host or port");
  return url;
}

// Control characters would split a request line.
bool IsClean(std::string_view text) {
  return text.size() <= kMaxUrlBytes &&
         std::ranges::none_of(text, [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

}  // namespace

Result<Url> ParseUrl(std::string_view text) {
  if (!IsClean(text)) return Bad(text, "too long, or a space or control character in it");
  // libcurl takes "https:///v2" and "https:/v2" for a host called v2.
  const size_t slashes = text.find("://");
  if (slashes == std::string_view::npos || text.substr(slashes + 3).starts_with('/')) {
    return Bad(text, "no host");
  }
  const Handle handle(curl_url());
  if (handle == nullptr ||
      curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK) {
    return Bad(text, "malformed");
  }
  return FromHandle(handle.get(), text);
}

Result<Url> ResolveUrl(const Url& base, std::string_view reference) {
  if (!IsClean(reference)) return Bad(reference, "too long, or a space or control character in it");
  const Handle handle(curl_url());
  // The second set resolves against the first.
  if (handle == nullptr ||
      curl_url_set(handle.get(), CURLUPART_URL, base.text.c_str(), 0) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_URL, std::string(reference).c_str(), 0) != CURLUE_OK) {
    return Bad(reference, "malformed");
  }
  return FromHandle(handle.get(), reference);
}

std::string HostPort(const Url& url) {
  const bool is_v6 = url.host.find(':') != std::string::npos;
  const std::string host = is_v6 ? "[" + url.host + "]" : url.host;
  const bool usual = url.port == (url.scheme == "https" ? 443 : 80);
  return usual ? host : host + ":" + std::to_string(url.port);
}

std::string Origin(const Url& url) { return url.scheme + "://" + HostPort(url); }

Result<Url> StayOnHttps(const Url& from, Url url) {
  if (from.scheme != "https" || url.scheme == "https") return url;
  if (url.host != from.host || (url.port != 80 && url.port != from.port)) {
    return Error(ErrorCode::kFailedPrecondition, "'" + url.text + "' leads from https to http");
  }
  const Handle handle(curl_url());
  const std::string port = std::to_string(from.port);
  if (handle == nullptr ||
      curl_url_set(handle.get(), CURLUPART_URL, url.text.c_str(), 0) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_SCHEME, "https", 0) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_PORT, port.c_str(), 0) != CURLUE_OK) {
    return Bad(url.text, "malformed");
  }
  return FromHandle(handle.get(), url.text);
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (std::isalnum(code) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += {'%', kHex[code >> 4], kHex[code & 15]};
    }
  }
  return encoded;
}

}  // namespace locket::registry
