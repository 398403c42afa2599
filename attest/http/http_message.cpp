#include "attest/http/http_message.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace locket::attest {
namespace {

Error Malformed(std::string_view what) {
  return {ErrorCode::kInvalidArgument, "malformed answer: " + std::string(what)};
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename T>
std::optional<T> Number(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<HttpResponse> ParseHead(std::string_view head) {
  size_t line_end = head.find("\r\n");
  const std::string_view first = head.substr(0, line_end);
  if (first.size() < 12 || !first.starts_with("HTTP/1.") || first[8] != ' ') {
    return Malformed("no HTTP/1 status line");
  }
  const auto status = Number<int>(first.substr(9, 3), 10);
  if (!status || *status < 200 || *status > 599) return Malformed("no final status");
  HttpResponse response{.status = *status, .headers = {}, .body = {}};
  while (line_end != std::string_view::npos) {
    const size_t start = line_end + 2;
    line_end = head.find("\r\n", start);
    const std::string_view line = head.substr(
        start, line_end == std::string_view::npos ? std::string_view::npos : line_end - start);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return Malformed("a header without name");
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    response.headers[name] = std::string(Trim(line.substr(colon + 1)));
  }
  return response;
}

constexpr size_t kMaxChunkLineBytes = 1024;

// False: more must come.
Result<bool> ReadChunks(std::string_view bytes, std::string& body) {
  for (;;) {
    const size_t line_end = bytes.substr(0, kMaxChunkLineBytes).find("\r\n");
    if (line_end == std::string_view::npos) {
      if (bytes.size() >= kMaxChunkLineBytes) return Malformed("a chunk without length");
      return false;
    }
    const auto size = Number<size_t>(bytes.substr(0, std::min(line_end, bytes.find(';'))), 16);
    if (!size) return Malformed("a chunk without length");
    if (*size > kMaxHttpBodyBytes - body.size()) return Malformed("a body above the limit");
    bytes.remove_prefix(line_end + 2);
    if (*size == 0) {
      // Trailers, if any, are not read: the connection ends here.
      if (bytes.size() > kMaxHttpHeaderBytes) return Malformed("trailers above the limit");
      return bytes.starts_with("\r\n") || bytes.find("\r\n\r\n") != std::string_view::npos;
    }
    if (bytes.size() < *size + 2) return false;
    body += bytes.substr(0, *size);
    if (bytes.substr(*size, 2) != "\r\n") return Malformed("a chunk without end");
    bytes.remove_prefix(*size + 2);
  }
}

// True: `response.body` is whole.
Result<bool> ReadBody(std::string_view bytes, bool ended, HttpResponse& response) {
  if (response.status == 204 || response.status == 304) return true;
  const auto encoding = response.headers.find("transfer-encoding");
  if (encoding != response.headers.end()) {
    if (encoding->second != "chunked") return Malformed("an unknown transfer encoding");
    return ReadChunks(bytes, response.body);
  }
  const auto length_text = response.headers.find("content-length");
  if (length_text == response.headers.end()) {
    if (bytes.size() > kMaxHttpBodyBytes) return Malformed("a body above the limit");
    response.body = bytes;
    return ended;
  }
  const auto length = Number<size_t>(length_text->second, 10);
  if (!length) return Malformed("a content length that is no number");
  if (*length > kMaxHttpBodyBytes) return Malformed("a body above the limit");
  if (bytes.size() < *length) return false;
  response.body = bytes.substr(0, *length);
  return true;
}

}  // namespace

Result<HttpUrl> ParseHttpsUrl(std::string_view url) {
  const Error bad(ErrorCode::kInvalidArgument,
                  "'" + std::string(url) + "' is not of the form https://host[:port]");
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme) || url.size() > 512) return bad;
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty() || rest.find_first_of("/?#@ \t\r\n") != std::string_view::npos) return bad;
  const size_t bracket = rest.find(']');
  const bool ipv6 = rest.front() == '[';
  if (ipv6 && bracket == std::string_view::npos) return bad;
  const size_t colon = rest.find(':', ipv6 ? bracket : 0);
  const std::string_view port = colon == std::string_view::npos ? "443" : rest.substr(colon + 1);
  std::string_view host = rest.substr(0, colon);
  const auto number = Number<int>(port, 10);
  if (!number || *number < 1 || *number > 65535) return bad;
  const std::string host_port = std::string(host) + ":" + std::string(port);
  if (ipv6) {
    if (host.size() != bracket + 1) return bad;
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return bad;
  return HttpUrl{.host = std::string(host), .host_port = host_port};
}

Result<std::optional<HttpResponse>> ParseHttpResponse(std::string_view bytes, bool ended) {
  if (bytes.size() > kMaxHttpAnswerBytes) return Malformed("an answer above the limit");
  const size_t head_end = bytes.substr(0, kMaxHttpHeaderBytes).find("\r\n\r\n");
  if (head_end == std::string_view::npos) {
    if (bytes.size() >= kMaxHttpHeaderBytes) return Malformed("headers above the limit");
    if (ended) return Malformed("it ended inside its headers");
    return std::optional<HttpResponse>();
  }
  LOCKET_TRY_ASSIGN(auto response, ParseHead(bytes.substr(0, head_end)));
  LOCKET_TRY_ASSIGN(const bool whole, ReadBody(bytes.substr(head_end + 4), ended, response));
  if (whole) return std::optional<HttpResponse>(std::move(response));
  if (ended) return Malformed("it ended inside its body");
  return std::optional<HttpResponse>();
}

}  // namespace locket::attest
