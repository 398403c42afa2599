#include <gmock/gmock.h>

#include "base/encoding.h"
#include "tests/cli/image/sign_fixture.h"

namespace locket::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(SignTest, SignatureIsVerifiedHereAndByOpenssl) {
  const json sealed = SealApp(Sealed());
  const auto sign = Sign(Sealed(), "mine.pem");
  ASSERT_EQ(sign.exit_code, 0) << sign.err;
  EXPECT_EQ(sign.out, "signed " + sealed["manifest_digest"].get<std::string>() + "\n");
  const auto verify = Verify(Sealed(), "mine.pub");
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  const json signatures = Document(TagOf(sealed));
  ASSERT_EQ(signatures["layers"].size(), 1U);
  const json layer = signatures["layers"][0];
  EXPECT_EQ(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
  const std::string text = layer["annotations"]["dev.cosignproject.cosign/signature"];
  Write("signature", std::string(AsText(*Base64Decode(text))));
  RunTool({"openssl", "dgst", "-sha256", "-verify", Path("mine.pub"), "-signature",
           Path("signature"), BlobPath(layer["digest"])});
}

TEST_F(SignTest, OtherKeyAndMissingSignatureAreRefusedWithTheReason) {
  const json sealed = SealApp(Sealed());
  const auto none = Verify(Sealed(), "mine.pub");
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, AllOf(HasSubstr("not signed: there is no tag '" + TagOf(sealed) + "'"),
                              HasSubstr("mine.pub")));
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  const auto other = Verify(Sealed(), "other.pub");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, AllOf(HasSubstr("1 signature(s), none of them valid"),
                               HasSubstr("not this key's"), HasSubstr("other.pub")));
}

TEST_F(SignTest, SeveralKeysSignBesideOneAnotherAndEachOnce) {
  SealApp(Sealed());
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  ASSERT_EQ(Sign(Sealed(), "other.pem").exit_code, 0);
  EXPECT_THAT(Sign(Sealed(), "mine.pem").out, HasSubstr("was signed"));
  const auto both = cli_.Run({"image", "verify", Sealed(), "--signed-by", Path("mine.pub"),
                              "--signed-by", Path("other.pub")});
  EXPECT_EQ(both.exit_code, 0) << both.err;
}

TEST_F(SignTest, SignatureOfAnotherManifestIsRefused) {
  const json first = SealApp(Sealed());
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  const json signatures = Document(TagOf(first));
  const json second = SealApp(Sealed());
  ASSERT_NE(first["manifest_digest"], second["manifest_digest"]);
  Name(TagOf(second), "application/vnd.oci.image.manifest.v1+json", signatures);
  const auto verify = Verify(Sealed(), "mine.pub");
  EXPECT_EQ(verify.exit_code, 1);
  EXPECT_THAT(verify.err,
              HasSubstr("the key signed " + first["manifest_digest"].get<std::string>()));
}

TEST_F(SignTest, IndexIsSignedWithAllItHolds) {
  const json sealed = SealApp(Sealed());
  const json entry = Index()["manifests"][0];
  json amd = {{"mediaType", entry["mediaType"]},
              {"digest", entry["digest"]},
              {"size", entry["size"]},
              {"platform", {{"architecture", "amd64"}, {"os", "linux"}}}};
  json arm = amd;
  arm["platform"]["architecture"] = "arm64";
  json manifest = json::parse(Read(BlobPath(entry["digest"])));
  manifest["annotations"]["for"] = "arm64";
  arm["digest"] = PutBlob(manifest.dump());
  arm["size"] = manifest.dump().size();
  const json index = {{"schemaVersion", 2},
                      {"mediaType", "application/vnd.oci.image.index.v1+json"},
                      {"manifests", {amd, arm}}};
  Name("multi", index["mediaType"], index);
  const std::string multi = "oci:" + Path("sealed") + ":multi";
  const auto sign = Sign(multi, "mine.pem", /*as_json=*/true);
  ASSERT_EQ(sign.exit_code, 0) << sign.err;
  const json done = json::parse(sign.out)["signed"];
  ASSERT_EQ(done.size(), 3U);
  EXPECT_EQ(done[2]["digest"], image::Digest::Of(index.dump()).ToText()) << "the index is last";
  EXPECT_EQ(Verify(multi, "mine.pub").exit_code, 0);

  // The index' signature is enough for what it names.
  json names = Index();
  const json all = names["manifests"];
  names["manifests"].clear();
  for (const auto& one : all) {
    const std::string name = one["annotations"]["org.opencontainers.image.ref.name"];
    if (!name.ends_with(".sig") || name == done[2]["tag"]) names["manifests"].push_back(one);
  }
  Write("sealed/index.json", names.dump());
  EXPECT_EQ(Verify(multi, "mine.pub").exit_code, 0);
  EXPECT_THAT(Verify(multi, "other.pub").err, HasSubstr("not signed"));
  EXPECT_THAT(Verify(Sealed(), "mine.pub").err, HasSubstr("not signed"));
}

TEST_F(SignTest, OrdinaryImageIsSignedAndItsDigestsChecked) {
  RunTool({"cp", "-r", LayoutPath(), Path("sealed")});
  const std::string image = "oci:" + Path("sealed") + ":app";
  ASSERT_EQ(Sign(image, "mine.pem").exit_code, 0);
  const auto verify = Verify(image, "mine.pub");
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
  EXPECT_THAT(verify.err, HasSubstr("layer 2 of 2: digest is right, not sealed"));
  const json inspected = json::parse(cli_.Run({"image", "inspect", image, "--json"}).out);
  const std::string digest = inspected["layers"][0]["digest"];
  std::filesystem::resize_file(BlobPath(digest), 100);
  const auto damaged = Verify(image, "mine.pub");
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("layer 0 (" + digest + ")"));
}

TEST_F(SignTest, CosignsKeyTakesItsPassphraseFromEnvironmentOrFile) {
  SealApp(Sealed());
  const std::string vectors = std::string(LOCKET_SOURCE_DIR) + "/tests/vectors/cosign/";
  const std::vector<std::string> sign = {"image", "sign", Sealed(), "--key",
                                         vectors + "encrypted.key"};
  const auto none = cli_.Run(sign);
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, AllOf(HasSubstr("COSIGN_PASSWORD"), HasSubstr("--passphrase-file")));
  cli_.environment["COSIGN_PASSWORD"] = "wrong pony";
  const auto wrong = cli_.Run(sign);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err,
              AllOf(HasSubstr("the passphrase does not open the key"), Not(HasSubstr("pony"))));
  auto by_file = sign;
  by_file.insert(by_file.end(), {"--passphrase-file", Write("pass", "correct horse\n")});
  EXPECT_EQ(cli_.Run(by_file).exit_code, 0);
  cli_.environment["COSIGN_PASSWORD"] = "correct horse";
  EXPECT_THAT(cli_.Run(sign).out, HasSubstr("was signed"));
  EXPECT_EQ(
      cli_.Run({"image", "verify", Sealed(), "--signed-by", vectors + "encrypted.pub"}).exit_code,
      0);
}

TEST_F(SignTest, ThePassphraseIsAskedForAtTheTerminalIfNoneIsGiven) {
  SealApp(Sealed());
  const std::string vectors = std::string(LOCKET_SOURCE_DIR) + "/tests/vectors/cosign/";
  const std::vector<std::string> sign = {"image", "sign", Sealed(), "--key",
                                         vectors + "encrypted.key"};
  cli_.typed = "wrong pony";
  const auto wrong = cli_.Run(sign);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err,
              AllOf(HasSubstr("the passphrase does not open the key"), Not(HasSubstr("pony"))));
  cli_.environment["COSIGN_PASSWORD"] = "correct horse";
  EXPECT_EQ(cli_.Run(sign).exit_code, 0) << "who gave one is not asked";
  cli_.environment.clear();
  cli_.typed = "correct horse";
  EXPECT_THAT(cli_.Run(sign).out, HasSubstr("was signed"));
}

TEST_F(SignTest, NothingIsPushedForAnImageOrKeyThatCannotBe) {
  SealApp(Sealed());
  const std::string before = Read(Path("sealed/index.json"));
  RunTool({"skopeo", "copy", "-q", Source("app"), "oci-archive:" + Path("app.tar")});
  const auto archive = Sign("oci-archive:" + Path("app.tar"), "mine.pem");
  EXPECT_EQ(archive.exit_code, 1);
  EXPECT_THAT(archive.err, HasSubstr("only registries and layouts"));
  EXPECT_THAT(Sign(Sealed(), "mine.pub").err, HasSubstr("not a private key"));
  EXPECT_THAT(Sign(Sealed(), "nokey").err, HasSubstr(Path("nokey")));
  EXPECT_EQ(Sign("oci:" + Path("sealed") + ":none", "mine.pem").exit_code, 1);
  EXPECT_EQ(Read(Path("sealed/index.json")), before);
}

}  // namespace
}  // namespace locket::cli
