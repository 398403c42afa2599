// Whatever a registry or the disk does, a pull ends with the right blob or a clear error, and works
// once the trouble is over.
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <latch>

#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/server_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using grpc::StatusCode;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Raw = LoopbackRegistry::Raw;

std::string Head(const std::string& status, size_t length, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(length) + "\r\n" + more +
         "Connection: close\r\n\r\n";
}

bool AsksForRange(const std::string& request) {
  return request.find("Range: bytes=") != std::string::npos;
}

// What the registry does when asked for the layer. The script knows the layer's bytes and how often
// it was asked before.
struct Fault {
  const char* name;
  std::function<std::optional<Raw>(const std::string& request, const std::string& layer, int nth)>
      answer;
  StatusCode code;          // ALREADY_EXISTS: the pull succeeds in spite of it
  const char* reason = "";  // part of the error
};

std::function<std::optional<Raw>(const std::string&, const std::string&, int)> Status(
    const std::string& status) {
  return [status](const std::string&, const std::string&, int) {
    return Raw{.bytes = Head(status, 0)};
  };
}

const Fault kFaults[] = {
    {"truncated once",
     [](const std::string&, const std::string& layer, int nth) -> std::optional<Raw> {
       if (nth > 0) return std::nullopt;
       return Raw{.bytes = Head("200 OK", layer.size()) + layer.substr(0, 9000)};
     },
     StatusCode::ALREADY_EXISTS},
    {"truncated at once, always",
     [](const std::string&, const std::string& layer, int) {
       return Raw{.bytes = Head("200 OK", layer.size())};
     },
     StatusCode::UNAVAILABLE},
    {"reset in the middle once",
     [](const std::string&, const std::string& layer, int nth) -> std::optional<Raw> {
       if (nth > 0) return std::nullopt;
       return Raw{.bytes = Head("200 OK", layer.size()) + layer.substr(0, 9000), .reset = true};
     },
     StatusCode::ALREADY_EXISTS},
    {"reset always",
     [](const std::string&, const std::string&, int) {
       return Raw{"", true};
     },
     StatusCode::UNAVAILABLE},
    {"range ignored",
     [](const std::string& request, const std::string& layer, int nth) -> std::optional<Raw> {
       if (nth == 0) return Raw{.bytes = Head("200 OK", layer.size()) + layer.substr(0, 9000)};
       EXPECT_TRUE(AsksForRange(request));
       return Raw{.bytes = Head("200 OK", layer.size()) + layer};
     },
     StatusCode::ALREADY_EXISTS},
    {"another range than asked for",
     [](const std::string&, const std::string& layer, int nth) {
       if (nth == 0) return Raw{.bytes = Head("200 OK", layer.size()) + layer.substr(0, 9000)};
       return Raw{.bytes = Head("206 Partial Content", layer.size() - 1,
                                "Content-Range: bytes 1-" + std::to_string(layer.size() - 1) + "/" +
                                    std::to_string(layer.size()) + "\r\n") +
                           layer.substr(1)};
     },
     StatusCode::DATA_LOSS, "another range"},
    {"wrong bytes",
     [](const std::string&, const std::string& layer, int) {
       return Raw{.bytes = Head("200 OK", layer.size()) + std::string(layer.size(), 'x')};
     },
     StatusCode::DATA_LOSS},
    {"wrong bytes after a right beginning",
     [](const std::string&, const std::string& layer, int nth) {
       if (nth == 0) return Raw{.bytes = Head("200 OK", layer.size()) + layer.substr(0, 9000)};
       return Raw{.bytes = Head("206 Partial Content", layer.size() - 9000,
                                "Content-Range: bytes 9000-" + std::to_string(layer.size() - 1) +
                                    "/" + std::to_string(layer.size()) + "\r\n") +
                           std::string(layer.size() - 9000, 'x')};
     },
     StatusCode::DATA_LOSS},
    {"too short",
     [](const std::string&, const std::string& layer, int) {
       return Raw{.bytes = Head("200 OK", layer.size() - 1) + layer.substr(1)};
     },
     StatusCode::DATA_LOSS, "bytes of it"},
    {"too long",
     [](const std::string&, const std::string& layer, int) {
       return Raw{.bytes = Head("200 OK", layer.size() + 1) + layer + "x"};
     },
     StatusCode::DATA_LOSS, "bytes of it"},
    {"no HTTP", [](const std::string&, const std::string&, int) { return Raw{"220 ftp\r\n"}; },
     StatusCode::UNAVAILABLE},
    {"401", Status("401 Unauthorized"), StatusCode::PERMISSION_DENIED, "HTTP 401"},
    {"403", Status("403 Forbidden"), StatusCode::PERMISSION_DENIED, "HTTP 403"},
    {"404", Status("404 Not Found"), StatusCode::NOT_FOUND, "HTTP 404"},
    {"429", Status("429 Too Many Requests"), StatusCode::UNAVAILABLE, "HTTP 429"},
    {"500", Status("500 Internal Server Error"), StatusCode::UNAVAILABLE, "HTTP 500"},
    {"503 once",
     [](const std::string&, const std::string&, int nth) -> std::optional<Raw> {
       if (nth > 0) return std::nullopt;
       return Raw{.bytes = Head("503 Service Unavailable", 0, "Retry-After: 0\r\n")};
     },
     StatusCode::ALREADY_EXISTS},
    {"redirected to another name of the host",
     [](const std::string& request, const std::string& layer, int) {
       if (request.find("/elsewhere/") != std::string::npos) {
         EXPECT_EQ(request.find("uthorization"), std::string::npos);
         return Raw{.bytes = Head("200 OK", layer.size()) + layer};
       }
       const size_t host = request.find("127.0.0.1:");
       const std::string port = request.substr(host + 10, request.find("\r\n", host) - host - 10);
       const size_t digest = request.find("sha256:");
       return Raw{.bytes = Head("307 Temporary Redirect", 0,
                                "Location: http://localhost:" + port + "/elsewhere/" +
                                    request.substr(digest, 71) + "\r\n")};
     },
     StatusCode::ALREADY_EXISTS},
};

class FaultyRegistryTest : public ServerTest {
 protected:
  void SetUp() override {
    image_ = MakeImage(registry_.host() + "/app:1", "A");
    image_.AddTo(registry_);
    Configure(
        "[registry]\ntimeout_s = 20\nattempts = 2\n[cache]\nhigh_bytes = 0\nlow_bytes = 0\n"
        "keep_partial_downloads_s = 0\n");
  }
  grpc::Status Pull() {
    return Prepare(image_.Pull(0, "", "k8s.io/" + std::to_string(++sequence_) + "/extract-1 x"));
  }
  void ExpectRightBlob() {
    EXPECT_EQ(*ReadFile(root() / "blobs/sha256" / image_.layer_digests[0].substr(7), 1 << 20),
              image_.layers[0]);
    EXPECT_TRUE(fs::is_empty(root() / "ingest"));
  }
  // So that the next pull asks the registry again.
  void RemoveImage() {
    const auto listed = List();
    ASSERT_THAT(listed, SizeIs(1));
    EXPECT_TRUE(Remove(listed[0].name()).ok());
    EXPECT_FALSE(fs::exists(root() / "blobs/sha256" / image_.layer_digests[0].substr(7)));
  }

  LoopbackRegistry registry_;
  TestImage image_ = MakeImage("unset/app:1", "A");
  int sequence_ = 0;
};

TEST_F(FaultyRegistryTest, EveryFaultEndsInTheRightBlobOrAClearErrorAndHeals) {
  Start();
  for (const Fault& fault : kFaults) {
    SCOPED_TRACE(fault.name);
    std::atomic<int> asked = 0;
    registry_.Follow([&](const std::string& request) -> std::optional<Raw> {
      if (request.find(image_.layer_digests[0]) == std::string::npos) return std::nullopt;
      return fault.answer(request, image_.layers[0], asked++);
    });
    const grpc::Status pulled = Pull();
    EXPECT_EQ(pulled.error_code(), fault.code) << pulled.error_message();
    EXPECT_GT(asked, 0);
    if (fault.code != StatusCode::ALREADY_EXISTS) {
      EXPECT_THAT(pulled.error_message(), HasSubstr(fault.reason));
      EXPECT_THAT(pulled.error_message(), HasSubstr(image_.reference));
      EXPECT_FALSE(fs::exists(root() / "blobs/sha256" / image_.layer_digests[0].substr(7)));
      registry_.Follow(nullptr);
      const grpc::Status again = Pull();
      EXPECT_EQ(again.error_code(), StatusCode::ALREADY_EXISTS) << again.error_message();
    }
    ExpectRightBlob();
    registry_.Follow(nullptr);
    RemoveImage();
  }
}

TEST_F(FaultyRegistryTest, AnExpiredTokenIsRenewedInTheMiddleOfADownload) {
  std::atomic<int> tokens = 0;
  std::atomic<int> asked = 0;
  registry_.Follow([&](const std::string& request) -> std::optional<Raw> {
    if (request.starts_with("GET /token")) {
      const std::string body = "{\"token\":\"t" + std::to_string(++tokens) + "\"}";
      return Raw{.bytes = Head("200 OK", body.size()) + body};
    }
    const bool layer = request.find(image_.layer_digests[0]) != std::string::npos;
    // The first token ends with the first part of the layer.
    const std::string good = asked > 0 ? "Bearer t2" : "Bearer t1";
    if (request.find(good) == std::string::npos) {
      return Raw{.bytes = Head("401 Unauthorized", 0,
                               "WWW-Authenticate: Bearer realm=\"http://" + registry_.host() +
                                   "/token\",service=\"s\"\r\n")};
    }
    if (!layer || asked++ > 0) return std::nullopt;
    return Raw{.bytes = Head("200 OK", image_.layers[0].size()) + image_.layers[0].substr(0, 9000)};
  });
  Start();
  const grpc::Status pulled = Pull();
  EXPECT_EQ(pulled.error_code(), StatusCode::ALREADY_EXISTS) << pulled.error_message();
  EXPECT_EQ(tokens, 2);
  ExpectRightBlob();
}

TEST_F(FaultyRegistryTest, SixtyFourPullsOfOneLayerAreOneRequestAtTheRegistry) {
  registry_.StallAfter(image_.layer_digests[0], 9000);
  Start();
  std::latch begun(64);
  std::vector<std::future<grpc::Status>> pulls;
  for (int i = 0; i < 64; ++i) {
    pulls.push_back(std::async(std::launch::async, [&, i] {
      begun.count_down();
      return Prepare(image_.Pull(0, "", "k8s.io/" + std::to_string(i) + "/extract-1 x"));
    }));
  }
  begun.wait();
  registry_.WaitForStall();
  registry_.StopStalling();
  for (auto& pull : pulls) {
    const grpc::Status status = pull.get();
    EXPECT_EQ(status.error_code(), StatusCode::ALREADY_EXISTS) << status.error_message();
  }
  // The stalled connection is closed in the middle; that one download goes on with a second
  // request.
  EXPECT_THAT(registry_.OffsetsAsked(image_.layer_digests[0]), ::testing::ElementsAre(0, 9000));
  EXPECT_THAT(List(), SizeIs(1));
  ExpectRightBlob();
}

// A file system of its own for the server's root, too small for what it is asked to keep.
class FullDiskTest : public FaultyRegistryTest {
 protected:
  void SetUp() override {
    FaultyRegistryTest::SetUp();
    fs::create_directories(root());
    if (::mount("tmpfs", root().c_str(), "tmpfs", 0, "size=64m,mode=0700") != 0) {
      GTEST_SKIP() << "needs root to mount a small tmpfs";
    }
    mounted_ = true;
  }
  void TearDown() override {
    process_.reset();
    if (mounted_) {
      EXPECT_EQ(::umount2(root().c_str(), MNT_DETACH), 0);
    }
  }
  // Takes all the space but `left` bytes.
  void Fill(size_t left) {
    std::error_code failed;
    const auto free_bytes = fs::space(root(), failed).available;
    ASSERT_GT(free_bytes, left);
    const auto file = OpenFile(root() / "ballast", O_WRONLY | O_CREAT | O_TRUNC);
    ASSERT_TRUE(file.ok());
    ASSERT_EQ(::posix_fallocate(file->get(), 0, static_cast<off_t>(free_bytes - left)), 0);
  }
  void Empty() { ASSERT_TRUE(fs::remove(root() / "ballast")); }

  bool mounted_ = false;
};

TEST_F(FullDiskTest, APullSaysThereIsNoRoomBeforeItAsksForTheLayer) {
  Start();
  Fill(16 << 10);
  const grpc::Status pulled = Pull();
  EXPECT_EQ(pulled.error_code(), StatusCode::RESOURCE_EXHAUSTED) << pulled.error_message();
  EXPECT_THAT(pulled.error_message(), HasSubstr("no room for its"));
  EXPECT_THAT(pulled.error_message(), HasSubstr((root() / "ingest").string()));
  EXPECT_THAT(registry_.OffsetsAsked(image_.layer_digests[0]), SizeIs(0));
  Empty();
  EXPECT_EQ(Pull().error_code(), StatusCode::ALREADY_EXISTS);
  ExpectRightBlob();
}

TEST_F(FullDiskTest, ChangesAreRefusedBeforeTheStoreMeetsTheEndOfTheDisk) {
  Start();
  ASSERT_TRUE(Prepare({.key = "a"}).ok());
  ASSERT_TRUE(Prepare({.key = "b"}).ok());
  Fill(12 << 20);
  const grpc::Status refused = Prepare({.key = "c"});
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED) << refused.error_message();
  EXPECT_THAT(refused.error_message(), HasSubstr("remove images"));
  EXPECT_EQ(std::distance(fs::directory_iterator(root() / "snapshots"), {}), 2);
  EXPECT_TRUE(Remove("a").ok()) << "what makes room is allowed for longer";
  Empty();
  Fill(4 << 20);
  EXPECT_EQ(Remove("b").error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(List(), SizeIs(1));
  Empty();
  const grpc::Status again = Prepare({.key = "c"});
  EXPECT_TRUE(again.ok()) << again.error_message();
  Stop(SIGKILL);
  Start();
  EXPECT_THAT(List(), SizeIs(2));
}

}  // namespace
}  // namespace locket::snapshotter
