// One quirk a row, of those that registries, their stores and the gateways before them are known
// for. An image goes up and comes back whatever the row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "image/oci/media_type.h"
#include "registry/client.h"
#include "tests/registry/quirky_registry.h"
#include "tests/registry/stored_gzip.h"

namespace locket::registry {
namespace {

using Quirky = QuirkyRegistry;
using ::testing::HasSubstr;

struct Quirk {
  const char* name;
  Quirky::Before before{};
  Quirky::After after{};
};

const std::string kBytes = [] {
  std::string bytes(1'500'000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((i * 2654435761U) >> 13U);
  return bytes;
}();

// --- Rows are made of these.

Quirky::Before RefuseOnce(const std::string& method, const std::string& part, Reply reply) {
  return [=](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
    const bool hit = request.method == method && request.target.find(part) != std::string::npos;
    if (!hit || registry.count("refused")++ > 0) return {};
    return reply;
  };
}

Quirky::Before RefuseAlways(const std::string& method, const std::string& part, Reply reply) {
  return [=](Quirky&, const SeenRequest& request) -> std::optional<Reply> {
    if (request.method != method || request.target.find(part) == std::string::npos) return {};
    return reply;
  };
}

// Another status where the registry says it went well.
Quirky::After Status(const std::string& method, const std::string& part, int status) {
  return [=](Quirky&, const SeenRequest& request, Reply& reply) {
    const bool hit = request.method == method && request.target.find(part) != std::string::npos;
    if (hit && reply.status < 300) reply.status = status;
  };
}

void SetHeader(Reply& reply, const std::string& name, const std::string& value) {
  std::erase_if(reply.headers, [&](const auto& line) { return line.starts_with(name + ":"); });
  if (!value.empty()) reply.headers.push_back(name + ": " + value);
}

Quirky::After Header(const std::string& method, const std::string& part, const std::string& name,
                     const std::string& value) {
  return [=](Quirky&, const SeenRequest& request, Reply& reply) {
    const bool hit = request.method == method && request.target.find(part) != std::string::npos;
    if (hit && reply.status < 300) SetHeader(reply, name, value);
  };
}

// How an upload's Location is written.
Quirky::After Location(const std::function<std::string(Quirky&, std::string path)>& write) {
  return [=](Quirky& registry, const SeenRequest& request, Reply& reply) {
    for (const auto& line : reply.headers) {
      if (!line.starts_with("Location: ") || request.method == "GET") continue;
      SetHeader(reply, "Location", write(registry, line.substr(10)));
      return;
    }
  };
}

// The first answer to a GET of a blob breaks off, so that the rest has to be asked for.
void BreakOffFirst(Quirky& registry, const SeenRequest& request, Reply& reply) {
  if (!Quirky::IsBlobGet(request) || registry.count("broken")++ > 0) return;
  reply.content_length = static_cast<long>(reply.body.size());
  reply.body.resize(reply.body.size() / 3);
}

// What comes instead of the rest.
Quirky::After Rest(const std::function<void(Reply&, const std::string& whole)>& spoil) {
  return [=](Quirky& registry, const SeenRequest& request, Reply& reply) {
    BreakOffFirst(registry, request, reply);
    if (request.headers.contains("range")) spoil(reply, kBytes);
  };
}

Quirky::After Encoded(const std::string& part, const std::string& name, bool really) {
  return [=](Quirky&, const SeenRequest& request, Reply& reply) {
    if (request.method != "GET" || request.target.find(part) == std::string::npos) return;
    if (really) reply.body = StoredGzip(reply.body);
    reply.headers.push_back("Content-Encoding: " + name);
  };
}

// A registry that takes blobs in pieces only, and says so by `status`.
Quirky::Before PiecesOnly(int status) {
  return [=](Quirky&, const SeenRequest& request) -> std::optional<Reply> {
    if (request.method == "PUT" && !Quirky::IsManifest(request) && !request.body.empty()) {
      return Reply{.status = status};
    }
    return {};
  };
}

// A gateway that takes bodies up to `limit` bytes.
Quirky::Before BodiesUpTo(size_t limit) {
  return [=](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
    if (request.body.size() > limit) return Reply{.status = 413};
    if (request.method == "PATCH") ++registry.count("pieces");
    return {};
  };
}

// What a PUT brought in part stays, and the connection breaks.
Quirky::Before HalfAnUpload(bool says_range) {
  return [=](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
    const bool upload = request.target.find("/uploads/") != std::string::npos;
    if (upload && request.method == "GET" && !says_range) return Reply{.status = 204};
    if (!upload || request.method != "PUT" || registry.count("half")++ > 0) return {};
    const std::string path = request.target.substr(0, request.target.find('?'));
    registry.uploads()[path.substr(path.rfind('/') + 1)] = request.body.substr(0, 700'000);
    return Reply{.status = 503};
  };
}

const Quirk kQuirks[] = {
    {.name = "None"},
    // Manifests.
    {.name = "ManifestPut200", .after = Status("PUT", "/manifests/", 200)},
    {.name = "ManifestPut202", .after = Status("PUT", "/manifests/", 202)},
    {.name = "ManifestPut204", .after = Status("PUT", "/manifests/", 204)},
    {.name = "ManifestPutWithoutDigest",
     .after = Header("PUT", "/manifests/", "Docker-Content-Digest", "")},
    {.name = "ManifestGet203", .after = Status("GET", "/manifests/", 203)},
    {.name = "ManifestTypeWithParameters",
     .after = Header("GET", "/manifests/", "Content-Type",
                     std::string(image::kOciManifest) + "; charset=utf-8")},
    {.name = "ManifestTypeMissing", .after = Header("GET", "/manifests/", "Content-Type", "")},
    {.name = "ManifestTypePlain",
     .after = Header("GET", "/manifests/", "Content-Type", "text/plain")},
    {.name = "ManifestTypeJson",
     .after = Header("GET", "/manifests/", "Content-Type", "application/json")},
    {.name = "ManifestDigestMissing",
     .after = Header("GET", "/manifests/", "Docker-Content-Digest", "")},
    {.name = "ManifestDigestOfAnotherKind",
     .after = Header("GET", "/manifests/", "Docker-Content-Digest", "sha512:00")},
    {.name = "ManifestByDigestCalledOtherwise",
     .after = Header("GET", "/manifests/sha256:", "Docker-Content-Digest",
                     image::Digest::Of("other").ToText())},
    {.name = "ManifestGzipped", .after = Encoded("/manifests/", "gzip", true)},
    {.name = "ManifestCalledGzip", .after = Encoded("/manifests/", "gzip", false)},
    {.name = "ManifestBusyOnce",
     .before = RefuseOnce("GET", "/manifests/", {.status = 429, .headers = {"Retry-After: 1"}})},
    {.name = "ManifestWithoutLength",
     .after =
         [](Quirky&, const SeenRequest& request, Reply& reply) {
           if (Quirky::IsManifest(request)) reply.content_length = -2;
         }},
    // HEAD.
    {.name = "HeadAlways404", .before = RefuseAlways("HEAD", "", {.status = 404})},
    {.name = "Head400", .before = RefuseAlways("HEAD", "", {.status = 400})},
    {.name = "Head405", .before = RefuseAlways("HEAD", "", {.status = 405})},
    {.name = "Head501", .before = RefuseAlways("HEAD", "", {.status = 501})},
    {.name = "HeadClaimsEveryBlobInAnotherSize",
     .before = RefuseAlways("HEAD", "", {.status = 200, .content_length = 7})},
    {.name = "HeadClaimsEveryBlobEmpty",
     .before = RefuseAlways("HEAD", "", {.status = 200, .content_length = 0})},
    {.name = "HeadIsRedirectedToAStoreThatSignsGetOnly",
     .before = [](Quirky&, const SeenRequest& request) -> std::optional<Reply> {
       static ScriptedServer store([](const SeenRequest&) { return Reply{.status = 403}; });
       if (request.method != "HEAD") return {};
       return Reply{.status = 307, .headers = {"Location: " + store.url() + "/signed"}};
     }},
    {.name = "HeadBusyOnce",
     .before = RefuseOnce("HEAD", "", {.status = 503, .headers = {"Retry-After: 2"}})},
    // Opening an upload.
    {.name = "Open200", .after = Status("POST", "/uploads/", 200)},
    {.name = "Open204", .after = Status("POST", "/uploads/", 204)},
    {.name = "OpenBusyOnce",
     .before = RefuseOnce("POST", "", {.status = 429, .headers = {"Retry-After: 1"}})},
    {.name = "OpenFailsOnce", .before = RefuseOnce("POST", "", {.status = 500})},
    {.name = "LocationAbsolute",
     .after = Location([](Quirky& r, const std::string& path) { return r.url() + path; })},
    {.name = "LocationWithoutScheme",
     .after = Location([](Quirky& r, const std::string& path) { return "//" + r.host() + path; })},
    {.name = "LocationRelative", .after = Location([](Quirky&, const std::string& path) {
                                   return path.substr(path.rfind('/') + 1);
                                 })},
    {.name = "LocationWithQuery", .after = Location([](Quirky&, const std::string& path) {
                                    return path + "?_state=a%2Bb%3D&x=";
                                  })},
    {.name = "LocationEndsInQuestionMark",
     .after = Location([](Quirky&, const std::string& path) { return path + "?"; })},
    // Sending it.
    {.name = "Put200", .after = Status("PUT", "/uploads/", 200)},
    {.name = "Put202", .after = Status("PUT", "/uploads/", 202)},
    {.name = "Put204", .after = Status("PUT", "/uploads/", 204)},
    {.name = "PutBusyOnce",
     .before = RefuseOnce("PUT", "/uploads/", {.status = 503, .headers = {"Retry-After: 1"}})},
    {.name = "PutRedirected",
     .before = [](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
       if (request.method != "PUT" || registry.count("redirected")++ > 0) return {};
       return Reply{.status = 307, .headers = {"Location: " + request.target}};
     }},
    {.name = "PiecesOnly400", .before = PiecesOnly(400)},
    {.name = "PiecesOnly404", .before = PiecesOnly(404)},
    {.name = "PiecesOnly405", .before = PiecesOnly(405)},
    {.name = "PiecesOnly411", .before = PiecesOnly(411)},
    {.name = "PiecesOnly415", .before = PiecesOnly(415)},
    {.name = "PiecesOnly501", .before = PiecesOnly(501)},
    {.name = "PieceWithoutRangeOrLocation",
     .before = PiecesOnly(400),
     .after =
         [](Quirky&, const SeenRequest& request, Reply& reply) {
           if (request.method == "PATCH") reply.headers.clear();
         }},
    {.name = "PieceRangeInBytes",
     .before = PiecesOnly(400),
     .after = Header("PATCH", "", "Range", "bytes=0-" + std::to_string(kBytes.size() - 1))},
    {.name = "PieceFailsOnce",
     .before = [](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
       if (request.method == "PATCH" && registry.count("failed")++ == 0)
         return Reply{.status = 502};
       return PiecesOnly(404)(registry, request);
     }},
    {.name = "BodiesUpToAMegabyte", .before = BodiesUpTo(1U << 20)},
    {.name = "BodiesUpToThreeHundredThousand", .before = BodiesUpTo(380'000)},
    {.name = "PiecesHaveAMinimum",
     .before = [](Quirky& registry, const SeenRequest& request) -> std::optional<Reply> {
       if (request.body.size() > 1'200'000) return Reply{.status = 413};
       const bool last = request.body.size() + registry.uploads()["1"].size() == kBytes.size();
       if (request.method == "PATCH" && request.body.size() < 1'000'000 && !last) {
         return Reply{.status = 416};
       }
       return {};
     },
     .after = Header("POST", "", "OCI-Chunk-Min-Length", "1000000")},
    {.name = "HalfAnUploadIsGoneOnWith", .before = HalfAnUpload(true)},
    {.name = "HalfAnUploadIsNotTold", .before = HalfAnUpload(false)},
    // Blobs down.
    {.name = "RangeIsIgnored",
     .after = Rest([](Reply& reply, const std::string& whole) { reply = {.body = whole}; })},
    {.name = "RangeIs206WithoutContentRange",
     .after = Rest([](Reply& reply, const std::string&) { reply.headers.clear(); })},
    {.name = "RangeIs206OfTheWhole", .after = Rest([](Reply& reply, const std::string& whole) {
                                       reply = {.status = 206, .body = whole};
                                     })},
    {.name = "RangeIs416", .after = Rest([](Reply& reply, const std::string&) {
                             reply = {.status = 416, .headers = {"Content-Range: bytes */1500000"}};
                           })},
    {.name = "RangeIsAnother", .after = Rest([](Reply& reply, const std::string&) {
                                 SetHeader(reply, "Content-Range", "bytes 7-1499999/1500000");
                               })},
    {.name = "RangeIsNonsense", .after = Rest([](Reply& reply, const std::string&) {
                                  SetHeader(reply, "Content-Range", "bytes */*");
                                })},
    {.name = "RangeOfUnknownTotal", .after = Rest([](Reply& reply, const std::string&) {
                                      SetHeader(reply, "Content-Range", "bytes 500000-1499999/*");
                                    })},
    {.name = "RangesInSmallerPieces",
     .after = Rest([](Reply& reply, const std::string&) {
       const size_t from = kBytes.size() - reply.body.size();
       reply.body.resize(std::min<size_t>(reply.body.size(), 100'000));
       SetHeader(reply, "Content-Range",
                 "bytes " + std::to_string(from) + "-" +
                     std::to_string(from + reply.body.size() - 1) + "/1500000");
     })},
    {.name = "BlobIs206Unasked",
     .after =
         [](Quirky&, const SeenRequest& request, Reply& reply) {
           if (Quirky::IsBlobGet(request)) reply.status = 206;
         }},
    {.name = "BlobWithoutLength",
     .after =
         [](Quirky&, const SeenRequest& request, Reply& reply) {
           if (Quirky::IsBlobGet(request)) reply.content_length = -2;
         }},
    {.name = "BlobGzipped", .after = Encoded("/blobs/", "gzip", true)},
    {.name = "BlobCalledGzip", .after = Encoded("/blobs/", "gzip", false)},
    {.name = "BlobCalledIdentity", .after = Encoded("/blobs/", "identity", false)},
    {.name = "BlobCalledAwsChunked", .after = Encoded("/blobs/", "aws-chunked", false)},
    {.name = "GzippedBlobBreaksOff",
     .after =
         [](Quirky& registry, const SeenRequest& request, Reply& reply) {
           Encoded("/blobs/", "gzip", true)(registry, request, reply);
           BreakOffFirst(registry, request, reply);
         }},
    {.name = "BlobBusyOnce",
     .before = RefuseOnce("GET", "/blobs/", {.status = 503, .headers = {"Retry-After: 1"}})},
};

class QuirksTest : public ::testing::TestWithParam<Quirk> {
 protected:
  std::unique_ptr<RegistryClient> Client() {
    ClientOptions options{.certs_directory = directory_.path()};
    options.retry.wait = [this](std::chrono::milliseconds, const std::stop_token&) { ++waits_; };
    return *RegistryClient::Create(std::move(options));
  }

  TempDir directory_ = *TempDir::Create("/tmp", "quirks-test.");
  int waits_ = 0;
};

TEST_P(QuirksTest, AnImageGoesUpAndComesBack) {
  QuirkyRegistry registry(GetParam().before, GetParam().after);
  const auto client = Client();
  const auto image = *image::ParseReference(registry.host() + "/a/b:1");
  const auto layer = image::DescriptorOf(image::kOciLayerTar, kBytes);
  const std::string manifest = image::EncodeManifest(
      {.media_type = std::string(image::kOciManifest), .config = layer, .layers = {layer}});

  const auto sent = client->PushBlobBytes(image, layer, kBytes);
  ASSERT_TRUE(sent.ok()) << sent.error().message();
  ASSERT_TRUE(registry.blobs()[layer.digest.ToText()] == kBytes);
  const auto named = client->PushManifest(image, image::kOciManifest, manifest);
  ASSERT_TRUE(named.ok()) << named.error().message();

  auto by_digest = image;
  by_digest.digest = named->digest;
  for (const auto& reference : {image, by_digest}) {
    const auto got = client->FetchManifest(reference);
    ASSERT_TRUE(got.ok()) << got.error().message();
    EXPECT_EQ(got->bytes, manifest);
    EXPECT_EQ(got->descriptor, *named);
  }
  std::string back;
  const auto fetched = client->FetchBlob(image, layer, [&](std::span<const std::byte> bytes) {
    back += AsText(bytes);
    return Ok();
  });
  ASSERT_TRUE(fetched.ok()) << fetched.error().message();
  EXPECT_TRUE(back == kBytes);
  EXPECT_LE(waits_, 2) << "a quirk is not trouble to wait for";
}

INSTANTIATE_TEST_SUITE_P(Each, QuirksTest, ::testing::ValuesIn(kQuirks),
                         [](const auto& row) { return std::string(row.param.name); });

// What is answered to a POST that asks for a mount.
struct MountAnswer {
  const char* name;
  Reply reply;
};

class MountTest : public ::testing::TestWithParam<MountAnswer> {};

TEST_P(MountTest, AMountThatIsRefusedIsAnOrdinaryUpload) {
  const auto directory = *TempDir::Create("/tmp", "quirks-test.");
  QuirkyRegistry registry(RefuseAlways("POST", "mount=", GetParam().reply), {});
  ClientOptions options{.certs_directory = directory.path()};
  options.retry.wait = [](std::chrono::milliseconds, const std::stop_token&) {};
  const auto client = *RegistryClient::Create(std::move(options));
  const auto image = *image::ParseReference(registry.host() + "/a/b:1");
  const auto layer = image::DescriptorOf(image::kOciLayerTar, kBytes);
  const auto adopted = client->AdoptBlob(image, layer, "c/d");
  ASSERT_TRUE(adopted.ok()) << adopted.error().message();
  EXPECT_FALSE(*adopted);
  EXPECT_TRUE(client->PushBlobBytes(image, layer, kBytes).ok());
  EXPECT_TRUE(registry.blobs()[layer.digest.ToText()] == kBytes);
}

INSTANTIATE_TEST_SUITE_P(
    Each, MountTest,
    ::testing::Values(
        MountAnswer{"Status200", {.status = 200}},
        MountAnswer{"Status202", {.status = 202, .headers = {"Location: /v2/a/b/x"}}},
        MountAnswer{"Status202Elsewhere", {.status = 202, .headers = {"Location: ftp://x"}}},
        MountAnswer{"Status204", {.status = 204}}, MountAnswer{"Status400", {.status = 400}},
        MountAnswer{"Status401", {.status = 401}}, MountAnswer{"Status403", {.status = 403}},
        MountAnswer{"Status404", {.status = 404}}, MountAnswer{"Status405", {.status = 405}},
        MountAnswer{"Status409", {.status = 409}}, MountAnswer{"Status429", {.status = 429}},
        MountAnswer{"Status500", {.status = 500}}, MountAnswer{"Status503", {.status = 503}},
        MountAnswer{"BreaksOff", {.status = 201, .body = "", .content_length = 9}}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace locket::registry
