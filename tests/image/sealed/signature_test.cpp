#include "image/sealed/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "image/signing/cosign_key.h"
#include "image/signing/signing_key.h"

namespace locket::image {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string Vector(const std::string& name) {
  return ReadFile(std::string(LOCKET_SOURCE_DIR) + "/tests/vectors/cosign/" + name, 1 << 20)
      .value();
}

// containers/image keeps a signature as a marker line and JSON.
ImageSignature VectorSignature() {
  const std::string file = Vector("signature-1");
  const json document = json::parse(file.substr(file.find('\n') + 1));
  const auto payload = Base64Decode(document["payload"].get<std::string>());
  return {.payload = std::string(AsText(*payload)),
          .signature = document["annotations"][std::string(kSignatureAnnotation)]};
}

PublicKey VectorKey(const std::string& name) {
  return std::move(PublicKey::FromPem(Vector(name))).value();
}

std::string Output(const std::vector<std::string>& argv, const std::string& input = "") {
  const auto run = RunCommand(argv, {.input = input});
  EXPECT_TRUE(run.ok() && run->exit_status == 0) << argv[0];
  return run->standard_output;
}

TEST(SignatureTest, CosignsOwnSignatureIsAccepted) {
  const Digest manifest = Digest::Of(Vector("manifest.json"));
  const auto good = CheckSignature(VectorKey("cosign.pub"), VectorSignature(), manifest);
  EXPECT_TRUE(good.ok()) << good.error().message();
  EXPECT_EQ(DecodeSigningPayload(VectorSignature().payload)->docker_reference,
            "192.168.64.2:5000/cosign-signed-single-sample");
}

TEST(SignatureTest, AnotherKeyOrManifestIsRefusedWithTheReason) {
  const Digest manifest = Digest::Of(Vector("manifest.json"));
  const auto other = CheckSignature(VectorKey("other.pub"), VectorSignature(), manifest);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(other.error().message(), HasSubstr("not this key's"));
  const Digest modified = Digest::Of(Vector("modified-manifest.json"));
  const auto changed = CheckSignature(VectorKey("cosign.pub"), VectorSignature(), modified);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(changed.error().message(), HasSubstr("the key signed " + manifest.ToText() +
                                                   ", not this manifest, " + modified.ToText()));
}

TEST(SignatureTest, EveryChangedByteOfPayloadOrSignatureIsRefused) {
  const Digest manifest = Digest::Of(Vector("manifest.json"));
  const PublicKey key = VectorKey("cosign.pub");
  const ImageSignature good = VectorSignature();
  for (size_t i = 0; i < good.payload.size(); ++i) {
    ImageSignature changed = good;
    changed.payload[i] = static_cast<char>(changed.payload[i] ^ 1);
    EXPECT_FALSE(CheckSignature(key, changed, manifest).ok()) << i;
  }
  const auto der = Base64Decode(good.signature).value();
  for (size_t i = 0; i < der.size(); ++i) {
    auto bytes = der;
    bytes[i] ^= std::byte{1};
    const ImageSignature changed{.payload = good.payload, .signature = Base64Encode(bytes)};
    EXPECT_FALSE(CheckSignature(key, changed, manifest).ok()) << i;
  }
}

TEST(SigningPayloadTest, EncodesAsCosignDoes) {
  const SigningPayload payload{.docker_reference = "registry.example/app",
                               .manifest_digest = Digest::Of("x")};
  const std::string text = EncodeSigningPayload(payload);
  EXPECT_EQ(text, R"({"critical":{"identity":{"docker-reference":"registry.example/app"},"image":)"
                  R"({"docker-manifest-digest":")" +
                      Digest::Of("x").ToText() +
                      R"("},"type":"cosign container image signature"},"optional":null})");
  EXPECT_EQ(*DecodeSigningPayload(text), payload);
  EXPECT_EQ(SignatureTag(Digest::Of("x")), "sha256-" + Digest::Of("x").Hex() + ".sig");
}

TEST(SigningPayloadTest, RefusesWhatIsNotOneOfCosigns) {
  const json good = json::parse(
      EncodeSigningPayload({.docker_reference = "r", .manifest_digest = Digest::Of("x")}));
  const auto refusal = [&](const std::string& pointer, const json& value) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    const auto decoded = DecodeSigningPayload(changed.dump());
    return decoded.ok() ? std::string("accepted") : decoded.error().message();
  };
  EXPECT_THAT(refusal("/critical/type", "atomic container signature"),
              HasSubstr("'critical.type'"));
  EXPECT_THAT(refusal("/critical/image/docker-manifest-digest", "md5:1"),
              HasSubstr("docker-manifest-digest"));
  EXPECT_THAT(refusal("/critical/expires", 1), HasSubstr("expires"));
  EXPECT_THAT(refusal("/critical/image", json()), HasSubstr("image"));
  EXPECT_EQ(refusal("/optional", json{{"creator", "x"}}), "accepted");
  EXPECT_THAT(DecodeSigningPayload(std::string(kMaxPayloadBytes + 1, ' ')).error().message(),
              HasSubstr("above the limit"));
}

TEST(PublicKeyTest, RefusesOtherKindsOfKeys) {
  const auto refusal = [](const std::string& pem) {
    const auto key = PublicKey::FromPem(pem);
    return key.ok() ? std::string("accepted") : key.error().message();
  };
  EXPECT_THAT(refusal("no key"), HasSubstr("BEGIN PUBLIC KEY"));
  EXPECT_THAT(refusal(std::string(65 << 10, 'x')), HasSubstr("64 KiB"));
  const auto public_of = [](const std::string& type, const std::string& option) {
    return Output({"openssl", "pkey", "-pubout"},
                  Output({"openssl", "genpkey", "-algorithm", type, "-pkeyopt", option}));
  };
  EXPECT_THAT(refusal(public_of("EC", "ec_paramgen_curve:P-384")), HasSubstr("P-256"));
  EXPECT_THAT(refusal(public_of("RSA", "rsa_keygen_bits:2048")), HasSubstr("P-256"));
}

TEST(SigningKeyTest, OpensCosignsFileWithItsPassphraseOnly) {
  const Secret pem = ToSecret(Vector("encrypted.key"));
  EXPECT_TRUE(IsEncryptedKey(pem));
  const Secret passphrase = ToSecret("correct horse");
  const auto key = SigningKey::FromPem(pem, &passphrase);
  ASSERT_TRUE(key.ok()) << key.error().message();
  const auto signature = key->Sign(AsBytes("text"));
  ASSERT_TRUE(signature.ok());
  EXPECT_TRUE(VectorKey("encrypted.pub").Verifies(AsBytes("text"), *signature));
  EXPECT_FALSE(VectorKey("encrypted.pub").Verifies(AsBytes("Text"), *signature));
  EXPECT_TRUE(key->Public()->Verifies(AsBytes("text"), *signature));
  const Secret wrong = ToSecret("wrong");
  const auto refused = SigningKey::FromPem(pem, &wrong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("the passphrase does not open the key"));
  EXPECT_THAT(SigningKey::FromPem(pem, nullptr).error().message(),
              HasSubstr("needs its passphrase"));
}

TEST(SigningKeyTest, OpensWhatOpensslMakes) {
  const std::string plain =
      Output({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"});
  const std::string encrypted =
      Output({"openssl", "pkcs8", "-topk8", "-passout", "pass:secret"}, plain);
  const std::string traditional = Output({"openssl", "ec"}, plain);
  const Secret passphrase = ToSecret("secret");
  EXPECT_TRUE(SigningKey::FromPem(ToSecret(plain), nullptr).ok());
  EXPECT_TRUE(SigningKey::FromPem(ToSecret(traditional), nullptr).ok());
  EXPECT_TRUE(SigningKey::FromPem(ToSecret(encrypted), &passphrase).ok());
  const Secret wrong = ToSecret("wrong");
  EXPECT_EQ(SigningKey::FromPem(ToSecret(encrypted), &wrong).error().code(),
            ErrorCode::kPermissionDenied);
  EXPECT_EQ(SigningKey::FromPem(ToSecret(encrypted), nullptr).error().code(),
            ErrorCode::kFailedPrecondition);
  EXPECT_THAT(SigningKey::FromPem(ToSecret("none"), nullptr).error().message(),
              HasSubstr("not a private key in PEM"));
}

TEST(CosignKeyTest, RefusesForeignAlgorithmsAndAbsurdCosts) {
  const json good = {
      {"kdf",
       {{"name", "scrypt"},
        {"params", {{"N", 32768}, {"r", 8}, {"p", 1}}},
        {"salt", Base64Encode(AsBytes("salt"))}}},
      {"cipher",
       {{"name", "nacl/secretbox"}, {"nonce", Base64Encode(AsBytes(std::string(24, 'n')))}}},
      {"ciphertext", Base64Encode(AsBytes(std::string(64, 'c')))}};
  ASSERT_TRUE(DecodeCosignKey(good.dump()).ok());
  const std::vector<std::tuple<std::string, json, std::string>> cases = {
      {"/kdf/name", "pbkdf2", "scrypt"},
      {"/kdf/params/N", 3U << 14, "not a power of two"},
      {"/kdf/params/N", 1U << 21, "'kdf.params.N'"},
      {"/kdf/params/N", 2, "'kdf.params.N'"},
      {"/kdf/params/r", 9, "'kdf.params.r'"},
      {"/kdf/params/p", 0, "'kdf.params.p'"},
      {"/cipher/name", "aes", "nacl/secretbox"},
      {"/cipher/nonce", "AAAA", "not 24 bytes"},
      {"/ciphertext", "AAAA", "too short"},
      {"/kdf/salt", "?", "'kdf.salt'"}};
  for (const auto& [pointer, value, reason] : cases) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    const auto key = DecodeCosignKey(changed.dump());
    ASSERT_FALSE(key.ok()) << pointer << value;
    EXPECT_THAT(key.error().message(), HasSubstr(reason));
  }
}

}  // namespace
}  // namespace locket::image
