// Real images: an OCI layout made by umoci, once for all tests, sealed as each test likes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "tests/cli/cli_harness.h"

namespace locket::cli {

inline const std::string kIndexType = "application/vnd.oci.image.index.v1+json";

class ImageTest : public CliTest {
 protected:
  // Layout with `base` (one layer with accounts), `app` (base and a secret layer; user demo) and
  // `lost` (user nobody-knows).
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  static std::string Source(const std::string& tag) {
    return "oci:" + layout_->path().string() + "/oci:" + tag;
  }
  static std::string LayoutPath() { return layout_->path().string() + "/oci"; }

  ImageTest() : kek_(Path("kek")) { EXPECT_EQ(cli_.Run({"key", "create", kek_}).exit_code, 0); }

  // Seals `app` into TARGET with base layers verify-only, and answers the JSON.
  nlohmann::json SealApp(const std::string& target, std::vector<std::string> more = {});
  std::string Sealed() const { return "oci:" + Path("sealed") + ":app"; }
  // A blob file of the sealed layout.
  std::string BlobPath(const std::string& digest) const {
    return Path("sealed/blobs/sha256/" + digest.substr(7));
  }
  bool TemporaryFilesLeft() const;

  static nlohmann::json ReadJson(const std::string& path) {
    return nlohmann::json::parse(Read(path));
  }
  // A layout of its own, `layout`, with the images and an index `multi`: `app` for amd64, `base`
  // for arm64 and a build's attestation for neither. Answers its name; sets index_digest_.
  std::string MakeIndex();

  std::string index_digest_;

  std::string kek_;

 private:
  static TempDir* layout_;
};

// Runs a program the test needs; its failure is the test's.
void RunTool(const std::vector<std::string>& argv);

}  // namespace locket::cli
