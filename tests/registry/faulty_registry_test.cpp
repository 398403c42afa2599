// A registry that lies, stalls and breaks off.
#include "tests/registry/faulty_registry.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "tests/registry/stored_gzip.h"

namespace locket::registry {
namespace {

using image::Digest;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(FaultyRegistryTest, ServerErrorsAreRetriedWithGrowingWaits) {
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest& request) {
    return ++count < 3 ? Reply{.status = 503} : ServeBlob(request);
  });
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
  ASSERT_THAT(waits_, SizeIs(2));
  EXPECT_GE(waits_[0], milliseconds(500));
  EXPECT_GE(waits_[1], milliseconds(1000));
}

TEST_F(FaultyRegistryTest, EachPauseIsAnnouncedToTheCaller) {
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest& request) {
    if (++count == 1) return Reply{.status = 429, .headers = {"Retry-After: 20"}};
    return count == 2 ? Reply{.status = 503} : ServeBlob(request);
  });
  std::vector<milliseconds> pauses;
  const auto content = Fetch({.on_pause = [&](milliseconds pause) { pauses.push_back(pause); }});
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(pauses, waits_);
  EXPECT_EQ(pauses.at(0), milliseconds(20'000));
}

TEST_F(FaultyRegistryTest, RetriesAreBoundedAndTheErrorSaysWhatAndWhere) {
  Serve([](const SeenRequest&) {
    return Reply{.status = 500, .body = R"({"errors":[{"code":"UNKNOWN","message":"disk"}]})"};
  });
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(content.error().message(),
              AllOf(HasSubstr(image_.ToText()), HasSubstr(server_->url()), HasSubstr("HTTP 500"),
                    HasSubstr("UNKNOWN (disk)")));
  EXPECT_THAT(server_->seen(), SizeIs(3));
}

TEST_F(FaultyRegistryTest, RetryAfterIsObeyedUpToTheBound) {
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest& request) {
    ++count;
    if (count == 1) return Reply{.status = 429, .headers = {"Retry-After: 7"}};
    if (count == 2) return Reply{.status = 429, .headers = {"Retry-After: 99999"}};
    return ServeBlob(request);
  });
  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(waits_, ElementsAre(milliseconds(7000), milliseconds(30000)));
}

TEST_F(FaultyRegistryTest, ATruncatedBodyIsResumedWithRange) {
  Serve([](const SeenRequest& request) {
    Reply reply = ServeBlob(request);
    reply.content_length = static_cast<long>(reply.body.size());
    reply.body.resize(reply.body.size() / 2);
    if (reply.body.size() < 1000) reply = ServeBlob(request);
    return reply;
  });
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
  EXPECT_GT(server_->seen().size(), 5U) << "each attempt got somewhere, so none counted";
  EXPECT_EQ(server_->seen()[1].headers.at("range"), "bytes=100000-");
}

TEST_F(FaultyRegistryTest, ABodyThatEndsEarlyWithoutALengthIsNoticed) {
  Serve([](const SeenRequest&) { return Reply{.body = "short", .content_length = -2}; });
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(content.error().message(), HasSubstr("broke off after 5 of 200000 bytes"));
}

TEST_F(FaultyRegistryTest, RangeIgnoredMeansTheBeginningIsDropped) {
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest&) {
    Reply reply{.body = kContent, .content_length = static_cast<long>(kContent.size())};
    if (++count == 1) reply.body.resize(70'000);
    return reply;
  });
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
}

TEST_F(FaultyRegistryTest, WrongBytesAreDataLossAndAskedForOnce) {
  Serve([](const SeenRequest&) { return Reply{.body = std::string(kContent.size(), 'x')}; });
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(content.error().message(), HasSubstr("the content is sha256:"));
  EXPECT_THAT(server_->seen(), SizeIs(1));
}

TEST_F(FaultyRegistryTest, WrongLengthsAreDataLoss) {
  Serve([](const SeenRequest&) { return Reply{.body = kContent + "x"}; });
  EXPECT_THAT(Fetch().error().message(), HasSubstr("has 200001 bytes of it, not 200000"));
  Serve([](const SeenRequest&) { return Reply{.body = kContent + "x", .content_length = -2}; });
  EXPECT_THAT(Fetch().error().message(), HasSubstr("longer than 200000 bytes"));
  Serve([](const SeenRequest&) {
    return Reply{.status = 206, .headers = {"Content-Range: bytes 7-9/10"}, .body = "x"};
  });
  EXPECT_THAT(Fetch().error().message(), HasSubstr("another range"));
}

TEST_F(FaultyRegistryTest, AStallIsBrokenOffAndResumed) {
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest& request) {
    Reply reply = ServeBlob(request);
    if (++count == 1) {
      reply.content_length = static_cast<long>(kContent.size());
      reply.body.resize(1000);
      reply.hang = true;
    }
    return reply;
  });
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  EXPECT_EQ(*content, kContent);
  EXPECT_EQ(server_->seen().at(1).headers.at("range"), "bytes=1000-");
}

// A registry on S3 copies a large blob before it says 201. The fake one is silent for longer than
// a transfer may be.
TEST_F(FaultyRegistryTest, TheAnswerToALargeUploadMayTakeAWhile) {
  const std::string content(2U << 20, 'u');
  const auto blob = image::DescriptorOf("x", content);
  std::condition_variable never;
  std::mutex mutex;
  Serve([&](const SeenRequest& request) {
    if (request.method == "HEAD") return Reply{.status = 404};
    if (request.method == "POST") return Reply{.status = 202, .headers = {"Location: /upload"}};
    std::unique_lock lock(mutex);
    never.wait_for(lock, milliseconds(2500));
    return Reply{.status = 201};
  });
  const auto pushed = client_->PushBlobBytes(image_, blob, content);
  EXPECT_TRUE(pushed.ok()) << pushed.error().message();
  EXPECT_THAT(waits_, IsEmpty()) << "it was sent once";
}

TEST_F(FaultyRegistryTest, ASilentAnswerToASmallUploadIsGivenUp) {
  Serve([&](const SeenRequest& request) {
    if (request.method == "HEAD") return Reply{.status = 404};
    return Reply{
        .status = 202, .headers = {"Location: /upload"}, .content_length = 5, .hang = true};
  });
  const auto pushed = client_->PushBlobBytes(image_, kBlob, kContent);
  EXPECT_EQ(pushed.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(pushed.error().message(), HasSubstr("no answer for 1 seconds"));
  EXPECT_THAT(waits_, SizeIs(2));
}

TEST_F(FaultyRegistryTest, CancellingEndsAHangingTransfer) {
  Serve([](const SeenRequest&) {
    return Reply{.body = kContent.substr(1), .content_length = 200'000, .hang = true};
  });
  std::stop_source source;
  const auto content = Fetch(
      {.stop = source.get_token(), .progress = [&](uint64_t, uint64_t) { source.request_stop(); }});
  EXPECT_EQ(content.error().code(), ErrorCode::kCancelled);
  EXPECT_THAT(waits_, IsEmpty());
}

TEST_F(FaultyRegistryTest, TheSinksErrorEndsTheTransferAtOnce) {
  Serve(ServeBlob);
  const auto fetched = client_->FetchBlob(image_, kBlob, [](std::span<const std::byte>) -> Status {
    return Error(ErrorCode::kUnavailable, "disk full");
  });
  EXPECT_THAT(fetched.error().message(), HasSubstr("disk full"));
  EXPECT_THAT(server_->seen(), SizeIs(1));
}

TEST_F(FaultyRegistryTest, AFileGoesOnFromWhatItHolds) {
  Serve(ServeBlob);
  const UniqueFd fd = File(kContent.substr(0, 150'000));
  ASSERT_TRUE(client_->FetchBlobToFile(image_, kBlob, fd.get()).ok());
  EXPECT_EQ(server_->seen().at(0).headers.at("range"), "bytes=150000-");
  std::string content(kContent.size(), '\0');
  ASSERT_TRUE(PreadFull(fd.get(), std::as_writable_bytes(std::span(content)), 0).ok());
  EXPECT_EQ(content, kContent);
  ASSERT_TRUE(client_->FetchBlobToFile(image_, kBlob, fd.get()).ok());
  EXPECT_THAT(server_->seen(), SizeIs(1)) << "a whole file asks for nothing";
}

TEST_F(FaultyRegistryTest, AFileWithAWrongBeginningStartsOverOnce) {
  Serve(ServeBlob);
  const UniqueFd fd = File(std::string(1000, 'x'));
  const auto fetched = client_->FetchBlobToFile(image_, kBlob, fd.get());
  ASSERT_TRUE(fetched.ok()) << fetched.error().message();
  EXPECT_THAT(server_->seen(), SizeIs(2));
  EXPECT_EQ(SizeOf(fd), 200'000);
}

TEST_F(FaultyRegistryTest, AFileIsLeftEmptyByWrongBytesAndKeptByABrokenConnection) {
  Serve([](const SeenRequest&) { return Reply{.body = std::string(kContent.size(), 'x')}; });
  const UniqueFd wrong = File("");
  EXPECT_EQ(client_->FetchBlobToFile(image_, kBlob, wrong.get()).error().code(),
            ErrorCode::kDataLoss);
  EXPECT_EQ(SizeOf(wrong), 0);
  std::atomic<int> count = 0;
  Serve([&](const SeenRequest&) {
    if (++count > 1) return Reply{.status = 502};
    return Reply{.body = kContent.substr(0, 1234), .content_length = 200'000};
  });
  const UniqueFd broken = File("");
  EXPECT_EQ(client_->FetchBlobToFile(image_, kBlob, broken.get()).error().code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(SizeOf(broken), 1234);
}

TEST_F(FaultyRegistryTest, AHugeManifestIsRefusedWithinItsBound) {
  Serve([](const SeenRequest&) {
    return Reply{.headers = {kManifestType}, .body = std::string((4U << 20) + 1, ' ')};
  });
  const auto manifest = client_->FetchManifest(image_);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(manifest.error().message(), HasSubstr("larger than 4194304 bytes"));
}

TEST_F(FaultyRegistryTest, AManifestMustBeWhatItsDigestSays) {
  Serve([](const SeenRequest&) { return Reply{.headers = {kManifestType}, .body = kManifest}; });
  ASSERT_TRUE(client_->FetchManifest(image_).ok());
  image_.digest = Digest::Of("other");
  EXPECT_EQ(client_->FetchManifest(image_).error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(server_->seen().back().target, "/v2/a/b/manifests/" + image_.digest->ToText());
  Serve([](const SeenRequest&) {
    return Reply{.headers = {kManifestType, "Docker-Content-Digest: " + Digest::Of("y").ToText()},
                 .body = kManifest};
  });
  EXPECT_THAT(client_->FetchManifest(image_).error().message(), HasSubstr("as the registry says"));
  Serve([](const SeenRequest&) {
    return Reply{.headers = {"Content-Type: " + std::string(image::kOciIndex)}, .body = kManifest};
  });
  EXPECT_EQ(client_->FetchManifest(image_).error().code(), ErrorCode::kDataLoss) << "two meanings";
}

TEST_F(FaultyRegistryTest, RedirectLoopsEnd) {
  Serve([](const SeenRequest& request) {
    return Reply{.status = 307, .headers = {"Location: " + request.target}};
  });
  EXPECT_THAT(Fetch().error().message(), HasSubstr("redirected more than 5 times"));
  EXPECT_THAT(server_->seen(), SizeIs(6));
}

TEST_F(FaultyRegistryTest, ARedirectOutOfHttpEndsThere) {
  Serve([](const SeenRequest&) {
    return Reply{.status = 302, .headers = {"Location: file:///etc/passwd"}};
  });
  EXPECT_THAT(Fetch().error().message(), HasSubstr("neither http nor https"));
}

TEST_F(FaultyRegistryTest, AProxyIsUsedForAllButLoopback) {
  Serve(ServeBlob);
  std::filesystem::create_directory(directory_.path() / "r.example");
  ASSERT_TRUE(ReplaceFileDurably(directory_.path() / "r.example" / "hosts.toml",
                                 "server = \"http://r.example\"\n")
                  .ok());
  ASSERT_EQ(::setenv("http_proxy", server_->url().c_str(), 1), 0);
  const auto direct = Fetch();
  image_ = *image::ParseReference("r.example/a/b:1");
  const auto proxied = Fetch();
  ::unsetenv("http_proxy");
  ASSERT_TRUE(direct.ok()) << direct.error().message();
  ASSERT_TRUE(proxied.ok()) << proxied.error().message();
  EXPECT_THAT(server_->seen().at(0).target, StartsWith("/v2/a/b/"));
  EXPECT_THAT(server_->seen().at(1).target, StartsWith("http://r.example/v2/a/b/"));
}

TEST_F(FaultyRegistryTest, NothingListeningNamesTheAddress) {
  Serve(ServeBlob);
  const std::string host = server_->host();
  server_.reset();
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(content.error().message(), HasSubstr("is the registry running at " + host));
  EXPECT_THAT(waits_, SizeIs(2));
}

TEST_F(FaultyRegistryTest, ABrokenUploadIsMadeAgainWhereTheRegistryDoesNotSayWhatItHas) {
  std::atomic<int> puts = 0;
  Serve([&](const SeenRequest& request) {
    if (request.method == "HEAD" || request.method == "GET") return Reply{.status = 404};
    if (request.method == "POST") {
      return Reply{.status = 202,
                   .headers = {"Location: /up?state=" + std::to_string(puts.load())}};
    }
    return ++puts == 1 ? Reply{.status = 502} : Reply{.status = 201};
  });
  const UniqueFd fd = File(kContent);
  uint64_t sent = 0;
  const auto pushed = client_->PushBlob(
      image_, kBlob, fd.get(), {.progress = [&](uint64_t done, uint64_t) { sent = done; }});
  ASSERT_TRUE(pushed.ok()) << pushed.error().message();
  const auto seen = server_->seen();
  ASSERT_THAT(seen, SizeIs(6)) << "HEAD, POST, PUT, GET, POST, PUT";
  EXPECT_EQ(seen[3].target, "/up?state=0");
  EXPECT_THAT(seen[5].target, HasSubstr("/up?state=1&digest=sha256%3A"));
  EXPECT_EQ(seen[5].body, kContent);
  EXPECT_EQ(sent, kContent.size());
}

TEST_F(FaultyRegistryTest, AFileShorterThanTheBlobIsSaidSo) {
  Serve([](const SeenRequest& request) {
    if (request.method == "HEAD") return Reply{.status = 404};
    return Reply{.status = 202, .headers = {"Location: /up"}};
  });
  const UniqueFd fd = File("short");
  const auto pushed = client_->PushBlob(image_, kBlob, fd.get());
  EXPECT_EQ(pushed.error().code(), ErrorCode::kDataLoss);
}

// A server that gives a byte at a time, and one that stands still where a range begins.
TEST_F(FaultyRegistryTest, PiecesTooSmallToBeHonestAreWaitedFor) {
  Serve([](const SeenRequest& request) {
    Reply reply = ServeBlob(request);
    if (reply.status != 206) {
      reply.content_length = static_cast<long>(reply.body.size());
      reply.body.resize(1);
      return reply;
    }
    const size_t from = kContent.size() - reply.body.size();
    if (from > 3) return Reply{.status = 503};
    reply.body.resize(1);
    reply.headers = {"Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(from) +
                     "/200000"};
    return reply;
  });
  EXPECT_EQ(Fetch().error().code(), ErrorCode::kUnavailable);
  EXPECT_GE(waits_.size(), 5U) << "one for each byte";
}

TEST_F(FaultyRegistryTest, AnEncodedBlobCannotGrowBeyondItsSize) {
  Serve([&](const SeenRequest&) {
    return Reply{.headers = {"Content-Encoding: gzip"}, .body = StoredGzip(kContent + "b")};
  });
  const auto content = Fetch();
  EXPECT_EQ(content.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(content.error().message(), HasSubstr("longer than 200000 bytes"));
}

TEST_F(FaultyRegistryTest, AnEncodedManifestCannotGrowBeyondItsBound) {
  Serve([&](const SeenRequest&) {
    return Reply{.headers = {kManifestType, "Content-Encoding: gzip"},
                 .body = StoredGzip(std::string((4U << 20) + 1, ' '))};
  });
  EXPECT_THAT(client_->FetchManifest(image_).error().message(),
              HasSubstr("larger than 4194304 bytes"));
}

}  // namespace
}  // namespace locket::registry
