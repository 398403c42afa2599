#include "registry/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "registry/url.h"

namespace locket::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(HostsTest, PlainHttpIsForLoopbackOnly) {
  for (const char* host :
       {"localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "::1"}) {
    EXPECT_TRUE(IsLoopbackHost(host)) << host;
  }
  for (const char* host :
       {"127.example.org", "localhost.example.org", "10.0.0.1", "[::2]:1", "128.0.0.1"}) {
    EXPECT_FALSE(IsLoopbackHost(host)) << host;
  }
  EXPECT_EQ(DefaultEndpoint("localhost:5000").base_url, "http://localhost:5000/v2");
  EXPECT_EQ(DefaultEndpoint("localhost:443").base_url, "https://localhost:443/v2");
  EXPECT_EQ(DefaultEndpoint("docker.io").base_url, "https://registry-1.docker.io/v2");
}

TEST(HostsTest, ReadsMirrorsInTheOrderOfTheFile) {
  const auto endpoints = ParseHostsToml(R"(
server = "https://real.example"
[host."https://b.example"]
  capabilities = ["pull"]
  ca = "b.crt"
[host."http://a.example:8080/prefix"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
  override_path = true
  client = [["c.crt", "c.key"]]
[host."https://a.example".header]
  x-custom = "1"
)",
                                        "reg.example", "/d");
  ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
  ASSERT_EQ(endpoints->size(), 4U);
  const auto& all = *endpoints;
  EXPECT_EQ(all[0].base_url, "https://b.example/v2");
  EXPECT_TRUE(all[0].can_pull && !all[0].can_resolve && !all[0].can_push && all[0].is_mirror);
  EXPECT_EQ(all[0].ca_files, std::vector<fs::path>{"/d/b.crt"});
  EXPECT_EQ(all[1].base_url, "http://a.example:8080/prefix");
  EXPECT_TRUE(all[1].skip_verify);
  EXPECT_EQ(all[1].client_key, "/d/c.key");
  EXPECT_EQ(all[2].headers.at("x-custom"), "1");
  EXPECT_EQ(all[3].base_url, "https://real.example/v2");
  EXPECT_TRUE(all[3].can_push && !all[3].is_mirror);
}

TEST(HostsTest, AClientsFileMayHoldBoth) {
  for (const char* client : {"\"one.pem\"", "[\"one.pem\"]", "[[\"one.pem\", \"\"]]"}) {
    const auto endpoints = ParseHostsToml("client = " + std::string(client), "r.example", "/d");
    ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
    EXPECT_EQ(endpoints->back().client_certificate, "/d/one.pem") << client;
    EXPECT_EQ(endpoints->back().client_key, "/d/one.pem") << client;
  }
}

TEST(HostsTest, RefusesWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"server = 1", "'server' is not text"},
      {"= 1", "not TOML: line 1: "},
      {"'\xCD'[", "not UTF-8 from byte 1"},
      {std::string(5000, '['), "too large"},
      {"[host.\"https://a\"]\ncapabilities = [\"fly\"]", "none of pull, resolve, push"},
      {"[host.\"ftp://a\"]", "neither http nor https"},
      {"[host.\"https://u:p@a\"]", "user name"},
      {"[host.\"https://a\"]\nskip_verify = \"yes\"", "not true or false"},
      {"[host.\"https://a\"]\nca = 1", "neither text nor a list"},
      {"[host.\"https://a\".header]\nx = \"a\\r\\nb\"", "malformed"},
      {"host = 1", "'host' is not a table"}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(ParseHostsToml(text, "r", "/d").error().message(), HasSubstr(why)) << text;
  }
}

TEST(HostsTest, LooksWhereContainerdLooks) {
  const auto directory = *TempDir::Create("/tmp", "hosts-test.");
  const auto base_of = [&](const std::string& host) {
    return EndpointsFor(directory.path(), host)->at(0).base_url;
  };
  const auto write = [&](const std::string& name, const std::string& server) {
    fs::create_directories(directory.path() / name);
    std::ofstream(directory.path() / name / "hosts.toml") << "server = \"" << server << "\"\n";
  };
  EXPECT_EQ(base_of("r.example:5000"), "https://r.example:5000/v2");
  write("_default", "https://default.example");
  EXPECT_EQ(base_of("r.example:5000"), "https://default.example/v2");
  write("r.example:5000", "https://colon.example");
  EXPECT_EQ(base_of("r.example:5000"), "https://colon.example/v2");
  write("r.example_5000_", "https://underscore.example");
  EXPECT_EQ(base_of("r.example:5000"), "https://underscore.example/v2");
  fs::create_directories(directory.path() / "certs.example");
  std::ofstream(directory.path() / "certs.example" / "a.crt") << "x";
  EXPECT_EQ(EndpointsFor(directory.path(), "certs.example")->at(0).ca_files.size(), 1U);
}

TEST(HostsTest, ABrokenFileIsNamed) {
  const auto directory = *TempDir::Create("/tmp", "hosts-test.");
  fs::create_directories(directory.path() / "r");
  std::ofstream(directory.path() / "r" / "hosts.toml") << "[";
  EXPECT_THAT(EndpointsFor(directory.path(), "r").error().message(), HasSubstr("r/hosts.toml"));
}

TEST(UrlTest, ResolvesAndTellsOrigins) {
  const auto base = *ParseUrl("https://Reg.example/v2/a/blobs/uploads/");
  EXPECT_EQ(base.host, "reg.example");
  EXPECT_EQ(base.port, 443);
  EXPECT_EQ(ResolveUrl(base, "/x?y=1")->text, "https://Reg.example/x?y=1");
  EXPECT_TRUE(ResolveUrl(base, "https://reg.example:443/x")->SameOrigin(base));
  for (const char* other :
       {"http://reg.example/", "https://reg.example:8443/", "//other.example/x"}) {
    EXPECT_FALSE(ResolveUrl(base, other)->SameOrigin(base)) << other;
  }
  EXPECT_FALSE(ResolveUrl(base, "file:///etc/passwd").ok());
  EXPECT_FALSE(ParseUrl("https://a b/").ok());
  EXPECT_FALSE(ParseUrl("https://a/\r\nx").ok());
  EXPECT_EQ(ParseUrl("http://[::1]:5000/v2")->host, "::1");
}

}  // namespace
}  // namespace locket::registry
