// Whose TLS settings are used for whom, with real TLS servers.
#include "registry/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>

#include "base/file.h"
#include "registry/client.h"
#include "tests/registry/real_registry.h"

namespace locket::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Two servers under one certificate. The second asks for a client certificate.
class OriginTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::tie(certificate_, key_) = MakeCertificate(directory_.path(), "server");
    std::tie(client_certificate_, client_key_) = MakeCertificate(directory_.path(), "client");
    const std::string tls = ", tls: {certificate: " + certificate_ + ", key: " + key_;
    second_ = Start("second", tls + ", clientcas: [" + client_certificate_ + "]}", "");
    first_ = Start("first", tls + "}",
                   "auth: {token: {realm: \"https://" + second_->host() +
                       "/token\", service: s, issuer: i, rootcertbundle: " + certificate_ + "}}\n");
  }
  std::unique_ptr<RegistryProcess> Start(const std::string& name, const std::string& http,
                                         const std::string& more) {
    fs::create_directories(directory_.path() / name);
    return std::make_unique<RegistryProcess>(directory_.path() / name, http, more);
  }
  TlsSettings Everything() const {
    return {.skip_verify = false,
            .ca_files = {certificate_},
            .client_pairs = {{.certificate = client_certificate_, .key = client_key_}}};
  }
  Result<HttpResponse> Get(const std::string& url, const TlsSettings& tls) {
    const Endpoint endpoint{.base_url = "https://" + first_->host() + "/v2", .tls = tls};
    return client_.Send({.method = "GET", .url = *ParseUrl(url)}, endpoint);
  }
  void Configure(const std::string& host, const std::string& text) {
    fs::create_directories(directory_.path() / "certs.d" / host);
    std::ofstream(directory_.path() / "certs.d" / host / "hosts.toml") << text;
  }
  std::string ClientLines() const {
    return "ca = \"" + certificate_ + "\"\nclient = [[\"" + client_certificate_ + "\", \"" +
           client_key_ + "\"]]\n";
  }

  TempDir directory_ = *TempDir::Create("/tmp", "http-test.");
  std::string certificate_;
  std::string key_;
  std::string client_certificate_;
  std::string client_key_;
  std::unique_ptr<RegistryProcess> second_;
  std::unique_ptr<RegistryProcess> first_;
  HttpClient client_{{.certs_directory = directory_.path() / "certs.d",
                      .ca_file = {},
                      .connect_timeout = std::chrono::seconds(10),
                      .stall_bytes_per_second = 1,
                      .stall_timeout = std::chrono::seconds(30),
                      .upload_answer_timeout = std::chrono::seconds(30)}};
};

TEST_F(OriginTlsTest, AnEndpointsSettingsAreForItsOwnOriginOnly) {
  const std::string elsewhere = "https://" + second_->host() + "/token";
  TlsSettings unverified;
  unverified.skip_verify = true;
  for (const auto& tls : {unverified, Everything()}) {
    EXPECT_TRUE(Get("https://" + first_->host() + "/v2/", tls).ok());
    const auto other = Get(elsewhere, tls);
    EXPECT_EQ(other.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_THAT(other.error().message(),
                AllOf(HasSubstr("name the server's CA in"),
                      HasSubstr("certs.d/" + second_->host() + "/hosts.toml")));
  }
  Configure(second_->host(), "ca = \"" + certificate_ + "\"\n");
  const auto nameless = Get(elsewhere, Everything());
  // The handshake of TLS 1.3 ends before the server says what it lacks, so the reason may get lost.
  EXPECT_EQ(nameless.error().code(), ErrorCode::kUnavailable)
      << "the first server's client certificate was not shown to the second";
  Configure(second_->host(), ClientLines());
  const auto own = Get(elsewhere, unverified);
  ASSERT_TRUE(own.ok()) << own.error().message();
  EXPECT_EQ(own->status, 404);
}

TEST_F(OriginTlsTest, ATokenServiceIsKnownByItsOwnSettings) {
  Configure(first_->host(),
            "server = \"https://" + first_->host() + "\"\nskip_verify = true\n" + ClientLines());
  ClientOptions options{.certs_directory = directory_.path() / "certs.d"};
  options.retry.max_attempts = 1;
  const auto client = *RegistryClient::Create(std::move(options));
  const auto image = *image::ParseReference(first_->host() + "/a/b:1");
  EXPECT_THAT(client->FetchManifest(image).error().message(),
              AllOf(HasSubstr("token service 'https://" + second_->host() + "'"),
                    HasSubstr("name the server's CA in")));
  Configure(second_->host(), ClientLines());
  EXPECT_THAT(
      client->FetchManifest(image).error().message(),
      AllOf(HasSubstr("token service 'https://" + second_->host() + "'"), HasSubstr("HTTP 404")));
}

// Of several client certificates a server takes the one it knows.
TEST_F(OriginTlsTest, EachClientCertificateIsTried) {
  const auto [stranger, stranger_key] = MakeCertificate(directory_.path(), "stranger");
  Configure(second_->host(), "server = \"https://" + second_->host() + "\"\nca = \"" +
                                 certificate_ + "\"\nclient = [[\"" + stranger + "\", \"" +
                                 stranger_key + "\"], [\"" + client_certificate_ + "\", \"" +
                                 client_key_ + "\"]]\n");
  ClientOptions options{.certs_directory = directory_.path() / "certs.d"};
  options.retry.max_attempts = 1;
  const auto client = *RegistryClient::Create(std::move(options));
  const auto image = *image::ParseReference(second_->host() + "/a/b:1");
  EXPECT_TRUE(client->PushBlobBytes(image, image::DescriptorOf("x", "abc"), "abc").ok());
}

// As containerd: TLS settings of an http URL say that https is meant where it is to be had.
TEST_F(OriginTlsTest, AnHttpEndpointWithTlsSettingsIsAskedByHttpsFirst) {
  const auto plain = Start("plain", "", "");
  ClientOptions options{.certs_directory = directory_.path() / "certs.d"};
  options.retry.max_attempts = 1;
  const auto client = *RegistryClient::Create(std::move(options));
  for (const std::string& host : {second_->host(), plain->host()}) {
    Configure(host, "server = \"http://" + host + "\"\nskip_verify = true\n" + ClientLines());
    const auto image = *image::ParseReference(host + "/a/b:1");
    const auto pushed = client->PushBlobBytes(image, image::DescriptorOf("x", "abc"), "abc");
    EXPECT_TRUE(pushed.ok()) << pushed.error().message();
  }
}

TEST_F(OriginTlsTest, AMissingCaIsNotAMissingImage) {
  const auto answer = Get("https://" + first_->host() + "/v2/", {.ca_files = {"/absent.pem"}});
  EXPECT_EQ(answer.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(answer.error().message(), HasSubstr("/absent.pem"));
}

}  // namespace
}  // namespace locket::registry
