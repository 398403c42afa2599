#include <gmock/gmock.h>

#include "tests/cli/image/sign_fixture.h"

namespace locket::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CopySignaturesTest : public SignTest {
 protected:
  std::string Target() const { return "oci:" + Path("copy") + ":x"; }
  CliResult Copy(const std::string& from, const std::string& to,
                 std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"image", "copy", from, to, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cli_.Run(arguments);
  }
  // What stands under `name` in a layout of the test's.
  std::string DigestOf(const std::string& layout, const std::string& name) const {
    const json index = ReadJson(Path(layout + "/index.json"));
    for (const auto& entry : index["manifests"]) {
      if (entry["annotations"]["org.opencontainers.image.ref.name"] == name) return entry["digest"];
    }
    return "none";
  }
  std::string BlobOf(const std::string& layout, const std::string& digest) const {
    return Path(layout + "/blobs/sha256/" + digest.substr(7));
  }
  // Puts an image of one layer beside those of the layout, as `cosign attest` and `attach` do.
  void Attach(const std::string& layout, const std::string& tag, const std::string& content) const {
    const auto put = [&](const std::string& bytes) {
      const std::string digest = image::Digest::Of(bytes).ToText();
      Write(layout + "/blobs/sha256/" + digest.substr(7), bytes);
      return json{{"mediaType", "text/plain"}, {"digest", digest}, {"size", bytes.size()}};
    };
    const std::string type = "application/vnd.oci.image.manifest.v1+json";
    json entry = put(json{
        {"schemaVersion", 2},
        {"mediaType", type},
        {"config", put("{}")},
        {"layers",
         {put(content)}}}.dump());
    entry["mediaType"] = type;
    entry["annotations"]["org.opencontainers.image.ref.name"] = tag;
    json index = ReadJson(Path(layout + "/index.json"));
    index["manifests"].push_back(entry);
    Write(layout + "/index.json", index.dump());
  }
};

TEST_F(CopySignaturesTest, TheyComeAlongByteForByte) {
  const json sealed = SealApp(Sealed());
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  ASSERT_EQ(Sign(Sealed(), "other.pem").exit_code, 0);
  const auto copy = Copy(Sealed(), Target());
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  EXPECT_EQ(json::parse(copy.out)["signed_documents"], 1);
  EXPECT_EQ(DigestOf("copy", TagOf(sealed)), DigestOf("sealed", TagOf(sealed)));
  for (const char* key : {"mine.pub", "other.pub"}) {
    const auto verify = Verify(Target(), key);
    EXPECT_EQ(verify.exit_code, 0) << verify.err;
  }
}

TEST_F(CopySignaturesTest, OfAnIndexEachManifestKeepsItsOwn) {
  const std::string source = MakeIndex();
  const auto sign = Sign(source, "mine.pem", /*as_json=*/true);
  ASSERT_EQ(sign.exit_code, 0) << sign.err;
  const json documents = json::parse(sign.out)["signed"];
  const auto copy = Copy(source, Target());
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  EXPECT_EQ(json::parse(copy.out)["signed_documents"], documents.size());
  for (const auto& document : documents) {
    EXPECT_EQ(DigestOf("copy", document["tag"]), DigestOf("layout", document["tag"]));
  }
  const auto one = Copy(source, "oci:" + Path("one") + ":x", {"--platform", "linux/arm64"});
  EXPECT_EQ(json::parse(one.out)["signed_documents"], 1);
  EXPECT_EQ(Verify("oci:" + Path("one") + ":x", "mine.pub").exit_code, 0);
}

TEST_F(CopySignaturesTest, TheyStayBehindIfSoToldAndInArchives) {
  const json sealed = SealApp(Sealed());
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  EXPECT_EQ(json::parse(Copy(Sealed(), Target(), {"--no-signatures"}).out)["signed_documents"], 0);
  EXPECT_EQ(DigestOf("copy", TagOf(sealed)), "none");
  const auto archive = Copy(Sealed(), "oci-archive:" + Path("a.tar") + ":app");
  ASSERT_EQ(archive.exit_code, 0) << archive.err;
  EXPECT_EQ(json::parse(archive.out)["signed_documents"], 0);
}

TEST_F(CopySignaturesTest, ThoseOfTheTargetStay) {
  SealApp(Sealed());
  ASSERT_EQ(Copy(Sealed(), Target()).exit_code, 0);
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  ASSERT_EQ(Sign(Target(), "other.pem").exit_code, 0);
  for (int round = 0; round < 2; ++round) {
    const auto copy = Copy(Sealed(), Target());
    ASSERT_EQ(copy.exit_code, 0) << copy.err;
    for (const char* key : {"mine.pub", "other.pub"}) {
      const auto verify = Verify(Target(), key);
      EXPECT_EQ(verify.exit_code, 0) << key << " round " << round << ": " << verify.err;
    }
  }
  EXPECT_THAT(Verify(Sealed(), "other.pub").err, HasSubstr("1 signature(s), none of them valid"));
}

TEST_F(CopySignaturesTest, AttestationsAndSbomsComeAlongToo) {
  const std::string stem = TagOf(SealApp(Sealed())).substr(0, 71);
  Attach("sealed", stem + ".att", "statement");
  Attach("sealed", stem + ".sbom", std::string(5U << 20, 's'));
  const auto copy = Copy(Sealed(), Target());
  ASSERT_EQ(copy.exit_code, 0) << copy.err;
  const json report = json::parse(copy.out);
  EXPECT_EQ(report["signed_documents"], 0);
  EXPECT_EQ(report["attested_documents"], 1);
  EXPECT_EQ(report["sbom_documents"], 1);
  for (const std::string& tag : {stem + ".att", stem + ".sbom"}) {
    EXPECT_EQ(DigestOf("copy", tag), DigestOf("sealed", tag)) << "byte for byte";
    EXPECT_EQ(cli_.Run({"image", "copy", "oci:" + Path("copy") + ":" + tag,
                        "oci-archive:" + Path("whole.tar")})
                  .exit_code,
              0)
        << "with all its blobs";
  }
  ASSERT_EQ(Copy(Sealed(), "oci:" + Path("bare") + ":x", {"--no-signatures"}).exit_code, 0);
  EXPECT_EQ(DigestOf("bare", stem + ".att"), "none");
  EXPECT_EQ(DigestOf("bare", stem + ".sbom"), "none");
}

TEST_F(CopySignaturesTest, AttestationsAreJoinedAndAnSbomIsReplaced) {
  const std::string stem = TagOf(SealApp(Sealed())).substr(0, 71);
  ASSERT_EQ(Copy(Sealed(), Target()).exit_code, 0);
  for (const std::string layout : {"sealed", "copy"}) {
    Attach(layout, stem + ".att", "statement of " + layout);
    Attach(layout, stem + ".sbom", "SBOM of " + layout);
  }
  for (int round = 0; round < 2; ++round) {
    const auto copy = Copy(Sealed(), Target());
    ASSERT_EQ(copy.exit_code, 0) << copy.err;
    const json attestations = ReadJson(BlobOf("copy", DigestOf("copy", stem + ".att")));
    ASSERT_EQ(attestations["layers"].size(), 2U);
    EXPECT_EQ(Read(BlobOf("copy", attestations["layers"][0]["digest"])), "statement of copy");
    EXPECT_EQ(Read(BlobOf("copy", attestations["layers"][1]["digest"])), "statement of sealed");
    EXPECT_EQ(DigestOf("copy", stem + ".sbom"), DigestOf("sealed", stem + ".sbom"));
  }
}

TEST_F(CopySignaturesTest, DamagedOnesLeaveNoImageAndTheErrorSaysTheWayOut) {
  const json sealed = SealApp(Sealed());
  ASSERT_EQ(Sign(Sealed(), "mine.pem").exit_code, 0);
  const std::string payload = Document(TagOf(sealed))["layers"][0]["digest"];
  fs::resize_file(BlobPath(payload), 10);
  const auto copy = Copy(Sealed(), Target());
  EXPECT_EQ(copy.exit_code, 1);
  EXPECT_THAT(copy.err, AllOf(HasSubstr("copy the signatures of " +
                                        sealed["manifest_digest"].get<std::string>()),
                              HasSubstr("--no-signatures"), HasSubstr(payload)));
  EXPECT_EQ(DigestOf("copy", "x"), "none");
  EXPECT_EQ(Copy(Sealed(), Target(), {"--no-signatures"}).exit_code, 0);
}

}  // namespace
}  // namespace locket::cli
