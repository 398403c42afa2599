// A registry that keeps what it is given and answers as the specification says, but for one quirk.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/encoding.h"
#include "image/oci/digest.h"
#include "registry/url.h"
#include "tests/registry/scripted_server.h"

namespace locket::registry {

class QuirkyRegistry {
 public:
  // Answers instead, or leaves the request to the registry.
  using Before = std::function<std::optional<Reply>(QuirkyRegistry&, const SeenRequest&)>;
  // Changes what the registry answers.
  using After = std::function<void(QuirkyRegistry&, const SeenRequest&, Reply&)>;

  QuirkyRegistry(Before before, After after)
      : before_(std::move(before)),
        after_(std::move(after)),
        server_([this](const SeenRequest& request) { return Answer(request); }) {}

  static std::string Query(const SeenRequest& request, const std::string& name) {
    const size_t at = request.target.find(name + "=");
    if (at == std::string::npos) return {};
    std::string value = request.target.substr(at + name.size() + 1);
    value.resize(std::min(value.find('&'), value.size()));
    for (size_t escape = 0; (escape = value.find("%3A")) != std::string::npos;) {
      value.replace(escape, 3, ":");
    }
    return value;
  }
  static bool IsBlobGet(const SeenRequest& request) {
    return request.method == "GET" && request.target.find("/blobs/sha256:") != std::string::npos;
  }
  static bool IsManifest(const SeenRequest& request) {
    return request.target.find("/manifests/") != std::string::npos;
  }

  Reply Serve(const SeenRequest& request) {
    std::string path = request.target.substr(0, request.target.find('?'));
    const std::string last = path.substr(path.rfind('/') + 1);
    if (IsManifest(request)) return ServeManifest(request, last);
    if (path.find("/uploads/") != std::string::npos) return ServeUpload(request, path, last);
    const auto blob = blobs_.find(last);
    if (blob == blobs_.end()) return {.status = 404};
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) return {.body = blob->second};
    const std::string& bytes = blob->second;
    const size_t from = std::stoul(range->second.substr(6));
    return {.status = 206,
            .headers = {"Content-Range: bytes " + std::to_string(from) + "-" +
                        std::to_string(bytes.size() - 1) + "/" + std::to_string(bytes.size())},
            .body = bytes.substr(from)};
  }

  ScriptedServer& server() { return server_; }
  std::string host() const { return server_.host(); }
  std::string url() const { return server_.url(); }
  int& count(const std::string& what) { return counts_[what]; }
  std::map<std::string, std::string>& blobs() { return blobs_; }
  std::map<std::string, std::string>& uploads() { return uploads_; }

 private:
  Reply Answer(const SeenRequest& request) {
    if (before_) {
      if (auto reply = before_(*this, request)) return std::move(*reply);
    }
    Reply reply = Serve(request);
    if (after_) after_(*this, request, reply);
    return reply;
  }

  Reply ServeManifest(const SeenRequest& request, const std::string& name) {
    if (request.method == "PUT") {
      const std::string digest = image::Digest::Of(request.body).ToText();
      manifests_[digest] = manifests_[name] = {request.headers.at("content-type"), request.body};
      return {.status = 201, .headers = {"Docker-Content-Digest: " + digest}};
    }
    const auto found = manifests_.find(name);
    if (found == manifests_.end()) return {.status = 404};
    return {
        .headers = {"Content-Type: " + found->second.first,
                    "Docker-Content-Digest: " + image::Digest::Of(found->second.second).ToText()},
        .body = found->second.second};
  }

  Reply ServeUpload(const SeenRequest& request, const std::string& path, const std::string& name) {
    if (request.method == "POST") {
      const std::string id = std::to_string(uploads_.size());
      uploads_[id] = {};
      return {.status = 202, .headers = {"Location: " + path + id, "Range: 0-0"}};
    }
    const auto found = uploads_.find(name);
    if (found == uploads_.end()) return {.status = 404};
    std::string& bytes = found->second;
    if (request.method == "GET" || request.method == "PATCH") {
      const auto range = request.headers.find("content-range");
      const bool fits = range == request.headers.end() ||
                        range->second.starts_with(std::to_string(bytes.size()) + "-");
      if (!fits) return {.status = 416};
      bytes += request.body;
      return {.status = request.method == "GET" ? 204 : 202,
              .headers = {"Location: " + path,
                          "Range: 0-" + std::to_string(bytes.empty() ? 0 : bytes.size() - 1)}};
    }
    if (request.method != "PUT") return {.status = 204};
    const std::string digest = image::Digest::Of(bytes + request.body).ToText();
    if (Query(request, "digest") != digest) {
      return {.status = 400, .body = R"({"errors":[{"code":"DIGEST_INVALID"}]})"};
    }
    blobs_[digest] = bytes + request.body;
    return {.status = 201, .headers = {"Docker-Content-Digest: " + digest}};
  }

  Before before_;
  After after_;
  std::map<std::string, std::string> blobs_{};
  std::map<std::string, std::string> uploads_{};
  std::map<std::string, std::pair<std::string, std::string>> manifests_{};  // type and bytes
  std::map<std::string, int> counts_{};
  ScriptedServer server_;  // last: its thread uses the rest
};

}  // namespace locket::registry
