// Several servers for one registry, as hosts.toml names them.
#include <filesystem>

#include "tests/registry/faulty_registry.h"

namespace locket::registry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(FaultyRegistryTest, MirrorsComeFirstAndTheServerLast) {
  ScriptedServer mirror([](const SeenRequest&) { return Reply{.status = 404}; });
  Serve(ServeBlob);
  const auto place = directory_.path() / server_->host();
  std::filesystem::create_directories(place);
  ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", "server = \"" + server_->url() +
                                                           "\"\n[host.\"" + mirror.url() +
                                                           "\"]\ncapabilities = [\"pull\"]\n")
                  .ok());
  const auto content = Fetch();
  ASSERT_TRUE(content.ok()) << content.error().message();
  ASSERT_THAT(mirror.seen(), SizeIs(1));
  EXPECT_THAT(mirror.seen()[0].target, HasSubstr("?ns=" + std::string("127.0.0.1%3A")));
  EXPECT_THAT(server_->seen(), SizeIs(1));
}

TEST_F(FaultyRegistryTest, ALyingMirrorDoesNotSpoilAFile) {
  ScriptedServer mirror(
      [](const SeenRequest&) { return Reply{.body = std::string(kContent.size(), 'x')}; });
  Serve(ServeBlob);
  const auto place = directory_.path() / server_->host();
  std::filesystem::create_directories(place);
  ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", "server = \"" + server_->url() +
                                                           "\"\n[host.\"" + mirror.url() + "\"]\n")
                  .ok());
  const UniqueFd fd = File("");
  const auto fetched = client_->FetchBlobToFile(image_, kBlob, fd.get());
  ASSERT_TRUE(fetched.ok()) << fetched.error().message();
  EXPECT_EQ(Fetch().error().code(), ErrorCode::kDataLoss) << "a sink cannot give back what it took";
}

TEST_F(FaultyRegistryTest, EachEndpointsReasonIsInTheError) {
  ScriptedServer mirror([](const SeenRequest&) { return Reply{.status = 403}; });
  Serve([](const SeenRequest&) { return Reply{.status = 404}; });
  WriteHosts("server = \"" + server_->url() + "\"\n[host.\"https://*\"]\n[host.\"" + mirror.url() +
             "\"]\n");
  for (const auto& error : {Fetch().error(), client_->FetchManifest(image_).error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound) << "the registry's own word";
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("at https://*/v2: 'https://*' in hosts.toml cannot be asked"),
                      HasSubstr("; at " + mirror.url() + ": HTTP 403"),
                      HasSubstr("; at " + server_->url() + ": HTTP 404")));
  }
}

// What containerd 2.x does with the files of containerd#8053.
TEST_F(FaultyRegistryTest, AMirrorForEveryRegistryNeedsNoServer) {
  for (const char* server : {"*", ""}) {
    Serve(ServeBlob);
    const auto place = directory_.path() / "_default";
    std::filesystem::create_directories(place);
    ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", "server = \"" + std::string(server) +
                                                             "\"\n[host.\"" + server_->url() +
                                                             "\"]\ncapabilities = [\"pull\"]\n")
                    .ok());
    image_ = *image::ParseReference("reg.invalid/a/b:1");
    const auto content = Fetch();
    ASSERT_TRUE(content.ok()) << content.error().message();
    EXPECT_THAT(server_->seen().at(0).target, HasSubstr("?ns=reg.invalid"));
  }
}

// A login for one registry is not for the server that all of them share, nor for its mirrors.
TEST_F(FaultyRegistryTest, AMirrorGetsItsOwnLoginOnly) {
  Start([](const SeenRequest& request) {
    if (request.headers.contains("authorization")) return ServeBlob(request);
    return Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=x"}};
  });
  const std::string for_all = "server = \"" + server_->url() + "\"\n";
  std::filesystem::create_directories(directory_.path() / "_default");
  ASSERT_TRUE(ReplaceFileDurably(directory_.path() / "_default" / "hosts.toml", for_all).ok());
  ASSERT_TRUE(credentials_.Add(R"({"auths":{"reg.invalid":{"auth":"dTpw"}}})").ok());
  MakeClient();
  image_ = *image::ParseReference("reg.invalid/a/b:1");
  EXPECT_EQ(Fetch().error().code(), ErrorCode::kPermissionDenied);
  for (const auto& request : server_->seen())
    EXPECT_FALSE(request.headers.contains("authorization"));
  ASSERT_TRUE(credentials_.Add(R"({"auths":{")" + server_->host() + R"(":{"auth":"dTpw"}}})").ok());
  MakeClient();
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(FaultyRegistryTest, AServerInARegistrysOwnFileGetsTheRegistrysLogin) {
  Start([](const SeenRequest& request) {
    if (request.headers.contains("authorization")) return ServeBlob(request);
    return Reply{.status = 401, .headers = {"WWW-Authenticate: Basic realm=x"}};
  });
  std::filesystem::create_directories(directory_.path() / "reg.invalid");
  ASSERT_TRUE(ReplaceFileDurably(directory_.path() / "reg.invalid" / "hosts.toml",
                                 "server = \"" + server_->url() + "\"\n")
                  .ok());
  ASSERT_TRUE(credentials_.Add(R"({"auths":{"reg.invalid":{"auth":"dTpw"}}})").ok());
  MakeClient();
  image_ = *image::ParseReference("reg.invalid/a/b:1");
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(FaultyRegistryTest, HeadersOfHostsTomlGoToTheirOwnOriginOnly) {
  ScriptedServer storage(ServeBlob);
  Serve([&](const SeenRequest&) {
    return Reply{.status = 307, .headers = {"Location: " + storage.url() + "/data"}};
  });
  WriteHosts("[header]\nx-secret = [\"1\", \"2\"]\n");
  ASSERT_TRUE(Fetch().ok());
  EXPECT_TRUE(server_->seen().at(0).headers.contains("x-secret"));
  EXPECT_FALSE(storage.seen().at(0).headers.contains("x-secret"));
}

TEST_F(FaultyRegistryTest, APushGoesToOneServerOnly) {
  ScriptedServer mirror([](const SeenRequest&) { return Reply{.status = 403}; });
  Serve([](const SeenRequest&) { return Reply{.status = 201}; });
  WriteHosts("server = \"" + server_->url() + "\"\n[host.\"" + mirror.url() + "\"]\n");
  EXPECT_EQ(client_->PushBlobBytes(image_, kBlob, kContent).error().code(),
            ErrorCode::kPermissionDenied);
  EXPECT_THAT(server_->seen(), IsEmpty());
  WriteHosts("server = \"" + server_->url() + "\"\n[host.\"" + mirror.url() +
             "\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
  EXPECT_TRUE(client_->PushManifest(image_, image::kOciManifest, kManifest).ok());
}

TEST_F(FaultyRegistryTest, NoHostWithTheCapabilityIsSaidSo) {
  Serve(ServeBlob);
  const auto place = directory_.path() / server_->host();
  std::filesystem::create_directories(place);
  ASSERT_TRUE(ReplaceFileDurably(place / "hosts.toml", "capabilities = [\"pull\"]\n").ok());
  EXPECT_TRUE(Fetch().ok());
  EXPECT_THAT(client_->PushManifest(image_, image::kOciManifest, kManifest).error().message(),
              HasSubstr("no host in hosts.toml"));
}

}  // namespace
}  // namespace locket::registry
