// Two keys, `mine` and `other`, and the sealed layout that they sign.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "image/oci/digest.h"
#include "tests/cli/image/image_fixture.h"

namespace locket::cli {

class SignTest : public ImageTest {
 protected:
  using json = nlohmann::json;

  SignTest() {
    for (const std::string name : {"mine", "other"}) {
      RunTool({"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-out", Path(name + ".pem")});
      RunTool(
          {"openssl", "pkey", "-in", Path(name + ".pem"), "-pubout", "-out", Path(name + ".pub")});
    }
  }

  CliResult Sign(const std::string& image, const std::string& key, bool as_json = false) {
    std::vector<std::string> arguments = {"image", "sign", image, "--key", Path(key)};
    if (as_json) arguments.emplace_back("--json");
    return cli_.Run(arguments);
  }
  CliResult Verify(const std::string& image, const std::string& key) {
    return cli_.Run({"image", "verify", image, "--signed-by", Path(key)});
  }

  json Index() const { return json::parse(Read(Path("sealed/index.json"))); }
  // The blob that an index entry with this name points at.
  json Document(const std::string& name) const {
    const json index = Index();
    for (const auto& entry : index["manifests"]) {
      if (entry["annotations"]["org.opencontainers.image.ref.name"] == name) {
        return json::parse(Read(BlobPath(entry["digest"])));
      }
    }
    ADD_FAILURE() << "no '" << name << "'";
    return {};
  }
  std::string PutBlob(const std::string& bytes) const {
    const std::string digest = image::Digest::Of(bytes).ToText();
    Write("sealed/blobs/sha256/" + digest.substr(7), bytes);
    return digest;
  }
  void Name(const std::string& name, const std::string& media_type, const json& document) const {
    const std::string bytes = document.dump();
    json index = Index();
    index["manifests"].push_back({{"mediaType", media_type},
                                  {"digest", PutBlob(bytes)},
                                  {"size", bytes.size()},
                                  {"annotations", {{"org.opencontainers.image.ref.name", name}}}});
    Write("sealed/index.json", index.dump());
  }
  static std::string TagOf(const json& sealed) {
    return "sha256-" + sealed["manifest_digest"].get<std::string>().substr(7) + ".sig";
  }
};

}  // namespace locket::cli
