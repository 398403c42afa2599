// HTTP/1.1 as far as a broker's clients need it: one request, one response, one connection.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::attest {

inline constexpr size_t kMaxHttpHeaderBytes = 64U << 10;
inline constexpr size_t kMaxHttpBodyBytes = 4U << 20;
// Of a whole answer as it travels: chunks may take as much again for their lengths.
inline constexpr size_t kMaxHttpAnswerBytes = kMaxHttpHeaderBytes + 2 * kMaxHttpBodyBytes;

struct HttpUrl {
  std::string host;       // without brackets: what the server's certificate has to name
  std::string host_port;  // for a Dialer and for the Host header
};
// "https://host[:port]" with nothing after it but a slash. kInvalidArgument: anything else.
Result<HttpUrl> ParseHttpsUrl(std::string_view url);

struct HttpResponse {
  int status;
  std::map<std::string, std::string> headers;  // names in lower case; the last one counts
  std::string body;
};

// Reads what has arrived of an answer so far. Returns the response once it is whole, and nothing
// while more must come. `ended` says that nothing more will: a body without a length ends there,
// and any other is refused as cut. Bytes behind the body are ignored, as are trailers.
// kInvalidArgument: not HTTP/1.x, or above a limit; reading on would not help.
Result<std::optional<HttpResponse>> ParseHttpResponse(std::string_view bytes, bool ended);

}  // namespace locket::attest
