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
using Headers = std::vector<std::pair<std::string, std::string>>;

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
  EXPECT_EQ(all[0].tls.ca_files, std::vector<fs::path>{"/d/b.crt"});
  EXPECT_EQ(all[1].base_url, "http://a.example:8080/prefix");
  EXPECT_TRUE(all[1].tls.skip_verify);
  EXPECT_EQ(all[1].tls.client_pairs, (std::vector<ClientPair>{{"/d/c.crt", "/d/c.key"}}));
  EXPECT_EQ(all[2].headers, (Headers{{"x-custom", "1"}}));
  EXPECT_EQ(all[3].base_url, "https://real.example/v2");
  EXPECT_TRUE(all[3].can_push && !all[3].is_mirror);
}

TEST(HostsTest, ClientCertificatesAreFilesOrPairs) {
  using Pairs = std::vector<ClientPair>;
  const std::pair<const char*, Pairs> cases[] = {
      {"\"one.pem\"", {{"/d/one.pem", "/d/one.pem"}}},
      {"[\"one.pem\"]", {{"/d/one.pem", "/d/one.pem"}}},
      {"[\"one.pem\", \"/two.pem\"]", {{"/d/one.pem", "/d/one.pem"}, {"/two.pem", "/two.pem"}}},
      {"[[\"one.pem\", \"\"]]", {{"/d/one.pem", "/d/one.pem"}}},
      {"[[\"a.crt\", \"a.key\"], [\"b.crt\", \"b.key\"]]",
       {{"/d/a.crt", "/d/a.key"}, {"/d/b.crt", "/d/b.key"}}},
      {"[]", {}}};
  for (const auto& [client, pairs] : cases) {
    const auto endpoints = ParseHostsToml("client = " + std::string(client), "r.example", "/d");
    ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
    EXPECT_EQ(endpoints->back().tls.client_pairs, pairs) << client;
  }
}

// Each compared with what containerd 2.x makes of it.
TEST(HostsTest, AServersAddressIsReadAsContainerdReadsIt) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "https://r.example/v2"},
      {"https://a.example", "https://a.example/v2"},
      {"https://a.example/", "https://a.example/v2"},
      {"https://a.example/v2", "https://a.example/v2"},
      {"https://a.example/v2/", "https://a.example/v2"},
      {"https://a.example/proxy", "https://a.example/proxy/v2"},
      {"https://a.example/v2/proxy", "https://a.example/v2/proxy/v2"},
      {"a.example", "https://a.example/v2"},
      {"a.example:5000", "https://a.example:5000/v2"},
      {"a.example/x", "https://a.example/x/v2"},
      {"http://a.example:5000", "http://a.example:5000/v2"},
      {"https://a.example?x=y", "https://a.example/v2"},
      {"http://[::1]:5000", "http://[::1]:5000/v2"}};
  for (const auto& [server, base_url] : cases) {
    const auto endpoints = ParseHostsToml("server = \"" + server + "\"", "r.example", "/d");
    ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
    EXPECT_EQ(endpoints->back().base_url, base_url) << server;
    EXPECT_EQ(endpoints->back().problem, "") << server;
  }
  EXPECT_EQ(
      ParseHostsToml("server=\"https://a/x\"\noverride_path=true", "r", "/d")->back().base_url,
      "https://a/x");
  EXPECT_EQ(ParseHostsToml("", "docker.io", "/d")->back().base_url,
            "https://registry-1.docker.io/v2");
}

TEST(HostsTest, AServerThatNobodyCanAskDoesNotSpoilTheOthers) {
  for (const char* odd :
       {"*", "ftp://a", "https://u:p@a", "https://", "https://a b", "http://a:0"}) {
    const auto endpoints =
        ParseHostsToml("server = \"" + std::string(odd) + "\"\n[host.\"" + std::string(odd) +
                           "\"]\n[host.\"https://good.example\"]\n",
                       "r", "/d");
    ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
    ASSERT_EQ(endpoints->size(), 3U);
    EXPECT_THAT(endpoints->at(0).problem, HasSubstr("'" + std::string(odd) + "' in hosts.toml"));
    EXPECT_EQ(endpoints->at(1).problem, "");
    EXPECT_THAT(endpoints->at(2).problem, HasSubstr("cannot be asked")) << odd;
  }
}

TEST(HostsTest, CapabilitiesAreAllUnlessSomeAreNamed) {
  const auto of = [](const std::string& list) {
    const auto endpoint = ParseHostsToml("capabilities = " + list, "r", "/d")->back();
    return std::string(endpoint.can_pull ? "l" : "") + (endpoint.can_resolve ? "r" : "") +
           (endpoint.can_push ? "p" : "");
  };
  EXPECT_EQ(of("[]"), "lrp");
  EXPECT_EQ(of("[\"pull\"]"), "l");
  EXPECT_EQ(of("[\"Pull\", \"RESOLVE\"]"), "lr");
  EXPECT_EQ(of("[\"push\", \"referrers\"]"), "p");
  EXPECT_EQ(of("[\"referrers\"]"), "");
}

TEST(HostsTest, HeadersMayHaveSeveralValues) {
  const auto endpoints = ParseHostsToml("[header]\nx = [\"1\", \"2\"]\ny = \"3\"\n", "r", "/d");
  ASSERT_TRUE(endpoints.ok()) << endpoints.error().message();
  EXPECT_EQ(endpoints->back().headers, (Headers{{"x", "1"}, {"x", "2"}, {"y", "3"}}));
}

TEST(HostsTest, DialTimeoutIsAGoDuration) {
  using std::chrono::milliseconds;
  const auto of = [](const std::string& text) {
    return ParseHostsToml("dial_timeout = \"" + text + "\"", "r", "/d");
  };
  const std::pair<const char*, int> cases[] = {
      {"3s", 3000}, {"1m30s", 90'000}, {"250ms", 250}, {"1.5s", 1500}, {"1h", 3'600'000}};
  for (const auto& [text, expected] : cases) {
    ASSERT_TRUE(of(text).ok()) << text;
    EXPECT_EQ(of(text)->back().connect_timeout, milliseconds(expected)) << text;
  }
  for (const char* bad : {"", "3", "s", "-1s", "3 s", "nan s", "1e99h", "2h"}) {
    EXPECT_THAT(of(bad).error().message(), HasSubstr("not a duration")) << bad;
  }
}

TEST(HostsTest, RefusesWithTheReason) {
  const std::pair<std::string, std::string> cases[] = {
      {"server = 1", "'server' is not text"},
      {"= 1", "not TOML: line 1: "},
      {"'\xCD'[", "not UTF-8 from byte 1"},
      {std::string(5000, '['), "too large"},
      {"[host.\"https://a\"]\ncapabilities = [\"fly\"]", "none of pull, resolve, push"},
      {"[host.\"https://a\"]\nskip_verify = \"yes\"", "not true or false"},
      {"[host.\"https://a\"]\nca = 1", "neither text nor a list"},
      {"client = 1", "'client' is neither text nor a list"},
      {"client = [[\"a\"]]", "not a certificate and its key"},
      {"client = [[\"a\", \"b\", \"c\"]]", "not a certificate and its key"},
      {"client = [1]", "'client' is neither text nor a list"},
      {"dial_timeout = 3", "'dial_timeout' is not text"},
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
  EXPECT_EQ(EndpointsFor(directory.path(), "certs.example")->at(0).tls.ca_files.size(), 1U);
}

TEST(HostsTest, DockersDirectoriesPairCertificatesByName) {
  const auto directory = *TempDir::Create("/tmp", "hosts-test.");
  const auto place = directory.path() / "r.example";
  fs::create_directories(place);
  for (const char* name : {"a.crt", "b.cert", "b.key", "both.cert", "stray.key", "hosts.toml"}) {
    std::ofstream(place / name).flush();  // an empty hosts.toml says nothing
  }
  const auto tls = EndpointsFor(directory.path(), "r.example")->at(0).tls;
  EXPECT_EQ(tls.ca_files, std::vector<fs::path>{place / "a.crt"});
  EXPECT_EQ(tls.client_pairs,
            (std::vector<ClientPair>{{place / "b.cert", place / "b.key"},
                                     {place / "both.cert", place / "both.cert"}}));
}

TEST(HostsTest, ASharedServerIsAMirrorOfWhatItDoesNotHost) {
  const auto directory = *TempDir::Create("/tmp", "hosts-test.");
  fs::create_directories(directory.path() / "_default");
  std::ofstream(directory.path() / "_default" / "hosts.toml") << "server = \"https://m.example\"";
  EXPECT_TRUE(EndpointsFor(directory.path(), "r.example")->back().is_mirror);
  EXPECT_FALSE(EndpointsFor(directory.path(), "m.example")->back().is_mirror);
}

TEST(HostsTest, TlsSettingsAreOfTheDirectoryWithTheHostsOwnName) {
  const auto directory = *TempDir::Create("/tmp", "hosts-test.");
  const auto write = [&](const std::string& name, const std::string& text) {
    fs::create_directories(directory.path() / name);
    std::ofstream(directory.path() / name / "hosts.toml") << text;
  };
  write("_default", "skip_verify = true\n");
  write("r.example", "ca = \"ca.pem\"\n[host.\"https://m.example\"]\nskip_verify = true\n");
  write("p.example:8443", "skip_verify = true\n");
  const auto of = [&](const char* url) { return *TlsFor(directory.path(), *ParseUrl(url)); };
  EXPECT_EQ(of("https://r.example/x").ca_files.size(), 1U);
  EXPECT_TRUE(of("https://p.example:8443/x").skip_verify);
  for (const char* other : {"https://m.example/", "https://r.example:8443/", "https://p.example/",
                            "https://sub.r.example/", "https://unknown.example/"}) {
    EXPECT_EQ(of(other), TlsSettings{}) << other;
  }
  write("broken.example", "[");
  EXPECT_THAT(TlsFor(directory.path(), *ParseUrl("https://broken.example/")).error().message(),
              HasSubstr("broken.example/hosts.toml"));
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
  for (const char* hostless : {"https:///v2", "https:/v2", "https:v2", "v2", ""}) {
    EXPECT_THAT(ParseUrl(hostless).error().message(), HasSubstr("no host")) << hostless;
  }
  EXPECT_FALSE(ParseUrl("https://a/\r\nx").ok());
  EXPECT_EQ(ParseUrl("http://[::1]:5000/v2")->host, "::1");
}

TEST(UrlTest, NamesHostsAsRegistriesAreNamed) {
  for (const auto& [url, name] :
       {std::pair{"https://a:443/x", "a"}, std::pair{"http://a/", "a"},
        std::pair{"http://a:443/", "a:443"}, std::pair{"https://[::1]:5000/", "[::1]:5000"},
        std::pair{"https://[2001:DB8::1]/", "[2001:db8::1]"}}) {
    EXPECT_EQ(HostPort(*ParseUrl(url)), name);
  }
}

// A registry behind a gateway that speaks https for it writes http into its Location headers.
TEST(UrlTest, StaysOnHttps) {
  const auto from = *ParseUrl("https://a.example:8443/v2/");
  const auto next = [&](const char* url) { return StayOnHttps(from, *ParseUrl(url)); };
  EXPECT_EQ(next("http://a.example/u?x=y")->text, "https://a.example:8443/u?x=y");
  EXPECT_EQ(next("http://a.example:8443/u")->text, "https://a.example:8443/u");
  EXPECT_EQ(next("https://b.example/u")->text, "https://b.example/u");
  for (const char* bad : {"http://b.example/", "http://a.example:81/", "http://a.example.org/"}) {
    EXPECT_THAT(next(bad).error().message(), HasSubstr("leads from https to http")) << bad;
  }
  EXPECT_EQ(StayOnHttps(*ParseUrl("http://a/"), *ParseUrl("http://b/x"))->text, "http://b/x");
}

}  // namespace
}  // namespace locket::registry
