#include "registry/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/file.h"
#include "base/mutex.h"
#include "base/no_sigpipe.h"
#include "base/version.h"
#include "registry/range.h"

namespace locket::registry {
namespace {

constexpr size_t kMaxHeaderBytes = 64U << 10;
constexpr size_t kMaxCaBytes = 1U << 20;
constexpr size_t kMaxIdle = 8;
// What is no larger is answered as fast as any other request.
constexpr uint64_t kSmallUpload = 1U << 20;

struct CurlFree {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using CurlHandle = std::unique_ptr<CURL, CurlFree>;

struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListFree>;

Result<HeaderList> MakeHeaderList(const std::vector<std::string>& lines) {
  HeaderList headers;
  for (const auto& line : lines) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return Error(ErrorCode::kInternal, "libcurl: no memory");
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  return headers;
}

// What the callbacks of one exchange share.
struct Exchange {
  const HttpRequest& request;
  const HttpOptions& options;
  CURL* curl;
  bool decode;
  HttpResponse response{};
  size_t header_bytes = 0;
  uint64_t sent = 0;
  bool filtered = false;
  bool falsely_encoded = false;
  // Of an upload: bytes moved either way, and when that last changed.
  curl_off_t moved = 0;
  std::chrono::steady_clock::time_point moved_at = std::chrono::steady_clock::now();
  std::optional<Error> error{};  // why a callback gave up
};

void AddHeader(Exchange& exchange, std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {
    // A status line: what came before belonged to a 100 or to a proxy.
    if (line.starts_with("HTTP/")) exchange.response.headers.clear();
    return;
  }
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  auto value = line.substr(colon + 1);
  const size_t first = std::min(value.find_first_not_of(" \t"), value.size());
  const size_t last = value.find_last_not_of(" \t\r\n");
  value = last == std::string_view::npos ? "" : value.substr(first, last + 1 - first);
  exchange.response.headers.emplace(std::move(name), value);
}

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.header_bytes += size;
  if (exchange.header_bytes > kMaxHeaderBytes) {
    exchange.error = Error(ErrorCode::kResourceExhausted, "more than 64 KiB of headers");
    return 0;
  }
  const std::string_view line(data, size);
  AddHeader(exchange, line);
  const bool is_end = line == "\r\n" || line == "\n";
  exchange.falsely_encoded = is_end && exchange.decode && exchange.request.plain_size &&
                             exchange.response.IsEncoded() &&
                             exchange.response.ContentLength() == exchange.request.plain_size;
  return exchange.falsely_encoded ? 0 : size;
}

Status TakeBody(Exchange& exchange, std::span<const std::byte> bytes) {
  auto& response = exchange.response;
  curl_easy_getinfo(exchange.curl, CURLINFO_RESPONSE_CODE, &response.status);
  if (exchange.request.sink && response.IsSuccess()) {
    if (!exchange.filtered && exchange.request.filter) {
      LOCKET_TRY(exchange.request.filter(response));
    }
    exchange.filtered = true;
    return exchange.request.sink(bytes);
  }
  const size_t room = exchange.request.max_body_bytes - response.body.size();
  if (bytes.size() <= room) {
    response.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Ok();
  }
  return Error(
      ErrorCode::kResourceExhausted,
      "the answer is larger than " + std::to_string(exchange.request.max_body_bytes) + " bytes");
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  auto taken = TakeBody(exchange, std::as_bytes(std::span(data, size)));
  if (taken.ok()) return size;
  exchange.error = std::move(taken).error();
  return size + 1;  // anything but `size` ends the transfer
}

size_t OnRead(char* out, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto n =
      static_cast<size_t>(std::min<uint64_t>(size, exchange.request.body_size - exchange.sent));
  if (n == 0) return 0;
  auto read = exchange.request.body(exchange.sent, std::as_writable_bytes(std::span(out, n)));
  if (!read.ok()) {
    exchange.error = std::move(read).error();
    return CURL_READFUNC_ABORT;
  }
  exchange.sent += n;
  if (exchange.request.on_sent) exchange.request.on_sent(exchange.sent);
  return n;
}

int OnSeek(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(user)->sent = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

// libcurl's own bound for slow transfers would count the time, too, that a registry takes to
// answer.
Status CheckUpload(Exchange& exchange, curl_off_t moved) {
  const auto now = std::chrono::steady_clock::now();
  if (exchange.moved != moved) exchange.moved_at = now;
  exchange.moved = moved;
  const bool sent = exchange.sent == exchange.request.body_size;
  const bool patient = sent && exchange.sent > kSmallUpload;
  const auto limit =
      patient ? exchange.options.upload_answer_timeout : exchange.options.stall_timeout;
  if (now - exchange.moved_at < limit) return Ok();
  return Error(ErrorCode::kDeadlineExceeded,
               std::string(sent ? "no answer" : "the upload stood still") + " for " +
                   std::to_string(limit.count()) + " seconds");
}

int OnProgress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.request.stop.stop_requested()) return 1;
  if (!exchange.request.body) return 0;
  auto checked = CheckUpload(exchange, received + sent);
  if (checked.ok()) return 0;
  exchange.error = std::move(checked).error();
  return 1;
}

// libcurl's setters are variadic; one name for each type keeps the conversions honest.
void SetLong(CURL* curl, CURLoption option, long value) { curl_easy_setopt(curl, option, value); }
void SetText(CURL* curl, CURLoption option, const std::string& value) {
  curl_easy_setopt(curl, option, value.c_str());
}

void SetCallbacks(CURL* curl, Exchange& exchange) {
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
  SetLong(curl, CURLOPT_NOPROGRESS, 0);
  if (!exchange.request.body) return;
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &OnRead);
  curl_easy_setopt(curl, CURLOPT_READDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, &OnSeek);
  curl_easy_setopt(curl, CURLOPT_SEEKDATA, &exchange);
  SetLong(curl, CURLOPT_UPLOAD, 1);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                   static_cast<curl_off_t>(exchange.request.body_size));
}

void SetTransfer(CURL* curl, const HttpOptions& options, const HttpRequest& request,
                 std::chrono::milliseconds connect_timeout) {
  SetText(curl, CURLOPT_URL, request.url.text);
  SetText(curl, CURLOPT_USERAGENT, "locket/" + std::string(kVersion));
  SetText(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  SetLong(curl, CURLOPT_NOSIGNAL, 1);
  SetLong(curl, CURLOPT_FOLLOWLOCATION, 0);
  SetLong(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_timeout.count()));
  if (!request.body) {
    SetLong(curl, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options.stall_bytes_per_second));
    SetLong(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  }
  if (IsLoopbackHost(request.url.host)) SetText(curl, CURLOPT_PROXY, "");
  if (request.method == "HEAD") {
    SetLong(curl, CURLOPT_NOBODY, 1);
  } else {
    SetText(curl, CURLOPT_CUSTOMREQUEST, request.method);
  }
}

// CAs of ours come on top of the system's, which libcurl keeps through CURLOPT_CAPATH.
Status SetTls(CURL* curl, const HttpOptions& options, const TlsSettings& tls) {
  SetLong(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  if (tls.skip_verify) {
    SetLong(curl, CURLOPT_SSL_VERIFYPEER, 0);
    SetLong(curl, CURLOPT_SSL_VERIFYHOST, 0);
  }
  auto files = tls.ca_files;
  if (!options.ca_file.empty()) files.push_back(options.ca_file);
  std::string bundle;
  for (const auto& file : files) {
    const auto pem = ReadFile(file, kMaxCaBytes);
    // Not kNotFound, which would be the image's.
    if (!pem.ok()) return Error(ErrorCode::kFailedPrecondition, "CA: " + pem.error().message());
    bundle += *pem + "\n";
  }
  if (!bundle.empty()) {
    curl_blob blob{.data = bundle.data(), .len = bundle.size(), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!tls.client_pairs.empty()) {
    SetText(curl, CURLOPT_SSLCERT, tls.client_pairs.front().certificate.string());
    SetText(curl, CURLOPT_SSLKEY, tls.client_pairs.front().key.string());
  }
  return Ok();
}

Error TransferError(CURLcode code, const char* detail, const HttpRequest& request,
                    const HttpOptions& options) {
  const std::string host = HostPort(request.url);
  const std::string why = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return {ErrorCode::kCancelled, "cancelled"};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return {ErrorCode::kUnavailable, why + ": check the name and /etc/resolv.conf"};
    case CURLE_COULDNT_CONNECT:
      return {ErrorCode::kUnavailable, why + ": is the registry running at " + host + "?"};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorCode::kDeadlineExceeded, why};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return {ErrorCode::kFailedPrecondition,
              why + ": name the server's CA in " +
                  (options.certs_directory / host / "hosts.toml").string()};
    case CURLE_SSL_CONNECT_ERROR:
      return {ErrorCode::kFailedPrecondition,
              why + ": if " + host + " speaks plain http, say so in hosts.toml"};
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_BAD_CONTENT_ENCODING:
      return {ErrorCode::kFailedPrecondition, why};
    default:
      return {ErrorCode::kUnavailable, why};
  }
}

Status InitializeCurl() {
  // Once for the process; libcurl wants it before the first handle.
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code == CURLE_OK) return Ok();
  return Error(ErrorCode::kInternal, "libcurl: cannot start");
}

}  // namespace

std::string HttpResponse::Header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? std::string() : found->second;
}

bool HttpResponse::IsEncoded() const {
  const std::string encoding = Header("content-encoding");
  return !encoding.empty() && encoding != "identity";
}

std::optional<uint64_t> HttpResponse::ContentLength() const {
  return ParseDecimal(Header("content-length"));
}

// Idle handles keep their connections.
class HttpClient::Pool {
 public:
  Result<CurlHandle> Take() {
    LOCKET_TRY(InitializeCurl());
    {
      const MutexLock lock(mutex_);
      if (!idle_.empty()) {
        CurlHandle handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    CurlHandle handle(curl_easy_init());
    if (handle == nullptr) return Error(ErrorCode::kInternal, "libcurl: no handle");
    return handle;
  }
  void Give(CurlHandle handle) {
    curl_easy_reset(handle.get());
    const MutexLock lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(handle));
  }

 private:
  Mutex mutex_;
  std::vector<CurlHandle> idle_ LOCKET_GUARDED_BY(mutex_);
};

HttpClient::HttpClient(HttpOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>()) {}
HttpClient::~HttpClient() = default;

Result<TlsSettings> HttpClient::SettingsFor(const HttpRequest& request,
                                            const Endpoint& endpoint) const {
  if (request.url.scheme != "https") return TlsSettings{};
  const auto base = ParseUrl(endpoint.base_url);
  if (base.ok() && base->SameOrigin(request.url)) return endpoint.tls;
  return TlsFor(options_.certs_directory, request.url);
}

Result<HttpResponse> HttpClient::Send(const HttpRequest& request, const Endpoint& endpoint) {
  if (request.stop.stop_requested()) return Error(ErrorCode::kCancelled, "cancelled");
  LOCKET_TRY_ASSIGN(const TlsSettings tls, SettingsFor(request, endpoint));
  const auto timeout =
      endpoint.connect_timeout.count() > 0 ? endpoint.connect_timeout : options_.connect_timeout;
  bool decode = true;
  auto outcome = Perform(request, tls, timeout, decode);
  if (!decode) outcome = Perform(request, tls, timeout, decode);
  return outcome;
}

// `decode` is turned off when the body is not what its Content-Encoding says: ask again.
Result<HttpResponse> HttpClient::Perform(const HttpRequest& request, const TlsSettings& tls,
                                         std::chrono::milliseconds connect_timeout, bool& decode) {
  LOCKET_TRY_ASSIGN(CurlHandle handle, pool_->Take());
  CURL* curl = handle.get();
  Exchange exchange{.request = request, .options = options_, .curl = curl, .decode = decode};
  char detail[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  SetCallbacks(curl, exchange);
  SetTransfer(curl, options_, request, connect_timeout);
  if (decode) SetText(curl, CURLOPT_ACCEPT_ENCODING, "identity");  // and decodes what comes
  LOCKET_TRY(SetTls(curl, options_, tls));
  auto lines = request.headers;
  lines.emplace_back("Expect:");  // a 401 comes before the body anyway: POST asks first
  LOCKET_TRY_ASSIGN(const HeaderList headers, MakeHeaderList(lines));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  // CURLOPT_NOSIGNAL leaves SIGPIPE to us, and OpenSSL writes with write(2).
  const NoSigpipe no_sigpipe;
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange.response.status);
  pool_->Give(std::move(handle));
  if (exchange.error) return std::move(*exchange.error);
  const bool misled = exchange.falsely_encoded || code == CURLE_BAD_CONTENT_ENCODING;
  if (misled && !request.body && !exchange.filtered && exchange.response.body.empty()) {
    decode = false;
  }
  // A server may answer and close while we still send: the answer counts.
  const bool answered = code == CURLE_SEND_ERROR && exchange.response.status >= 400;
  if (code != CURLE_OK && !answered) return TransferError(code, detail, request, options_);
  return std::move(exchange.response);
}

}  // namespace locket::registry
