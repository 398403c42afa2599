// Generated images as a guest's kernel shows them, against what `locket image extract` makes of
// them and what umoci makes of the tars they were sealed from; and how many layers a guest takes.
// One guest for all of it.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/cli/image/tree_listing.h"
#include "tests/guest-agent/sealed_fixture.h"
#include "tests/guest-agent/vm.h"

namespace locket::guest_mounter {
namespace {

namespace fs = std::filesystem;
using guest_agent::Vm;
using guest_agent::VmDisk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using Trees = std::map<std::string, std::map<std::string, std::string>>;  // by image

constexpr uint64_t kResultBytes = uint64_t{16} << 20;
constexpr int kMemoryMib = 1024;  // for 500 layers at once

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

// Fails the test unless the command succeeds. What it printed.
std::string Command(const std::vector<std::string>& command) {
  const auto done = RunCommand(command, {.timeout = std::chrono::minutes(10)});
  EXPECT_TRUE(done.ok() && done->exit_status == 0)
      << command[0] << " " << command[1] << " " << command[2] << ": "
      << (done.ok() ? done->standard_error : done.error().message());
  return done.ok() ? done->standard_output : "";
}

Json JsonOf(const fs::path& file) {
  const auto text = ReadFile(file, 16 << 20);
  EXPECT_TRUE(text.ok()) << text.error().message();
  return Json::parse(text.ok() ? *text : "null");
}

class OverlayVmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string lacks = guest_agent::LacksForVm(guest_agent::GuestImageDirectory());
    if (!lacks.empty()) GTEST_SKIP() << lacks;
    if (::geteuid() != 0) GTEST_SKIP() << "needs root for owners and devices";
    if (!RunCommand({"umoci", "--version"}).ok()) GTEST_SKIP() << "needs umoci";
  }

  std::string Reference(const char* layout, const std::string& tag) const {
    return "oci:" + (directory_.path() / layout).string() + ":" + tag;
  }
  fs::path Blob(const std::string& digest) const {
    return directory_.path() / "sealed/blobs/sha256" / digest.substr(digest.find(':') + 1);
  }

  // Seals every image of the layout and gives the guest what a host would send of it.
  void SealAll() {
    const Json plain = JsonOf(directory_.path() / "plain/index.json");
    for (const Json& entry : plain["manifests"]) {
      const std::string tag = entry["annotations"]["org.opencontainers.image.ref.name"];
      Command({LOCKET, "image", "seal", Reference("plain", tag), Reference("sealed", tag),
               "--encrypt-layers", "none"});
    }
    const Json sealed = JsonOf(directory_.path() / "sealed/index.json");
    for (const Json& entry : sealed["manifests"]) {
      GiveToGuest(entry["annotations"]["org.opencontainers.image.ref.name"], entry["digest"]);
    }
  }

  void GiveToGuest(const std::string& tag, const std::string& digest) {
    const Json manifest = JsonOf(Blob(digest));
    Json serials = Json::object();
    for (const Json& layer : manifest["layers"]) {
      const std::string layer_digest = layer["digest"];
      const auto [serial, fresh] =
          serials_.emplace(layer_digest, "d" + std::to_string(serials_.size()));
      if (fresh) disks_.push_back({.serial = serial->second, .file = Blob(layer_digest)});
      serials[layer_digest] = serial->second;
    }
    const auto to = directory_.path() / "guest/test/images" / tag;
    fs::create_directories(to);
    fs::copy_file(Blob(digest), to / "manifest");
    fs::copy_file(Blob(manifest["config"]["digest"]), to / "config");
    std::ofstream(to / "serials") << serials.dump();
  }

  Trees Extracted() const {
    Trees trees;
    for (const auto& entry : fs::directory_iterator(directory_.path() / "guest/test/images")) {
      const std::string tag = entry.path().filename();
      if (!tag.starts_with("s")) continue;
      const auto to = directory_.path() / "extracted" / tag;
      fs::create_directories(to.parent_path());
      Command({LOCKET, "image", "extract", Reference("sealed", tag), to.string()});
      trees[tag] = cli::ListTree(to.string());
    }
    return trees;
  }

  // What umoci makes of the image's tars. It leaves directories' times as they come.
  std::map<std::string, std::string> UnpackedByUmoci(const std::string& tag) const {
    const auto to = directory_.path() / "umoci" / tag;
    fs::create_directories(to.parent_path());
    Command({"umoci", "unpack", "--image", (directory_.path() / "plain").string() + ":" + tag,
             to.string()});
    return WithoutDirectoryTimes(cli::ListTree((to / "rootfs").string()));
  }

  static std::map<std::string, std::string> WithoutDirectoryTimes(
      std::map<std::string, std::string> tree) {
    tree.erase(".");
    for (auto& [path, line] : tree) {
      if (!line.starts_with("4")) continue;  // S_IFDIR in octal
      const size_t owner = line.find(' ') + 1;
      const size_t time = line.find(' ', owner) + 1;
      line.erase(time, line.find(' ', time) - time);
    }
    return tree;
  }

  // Boots a guest with all the disks. What it wrote down of the images.
  Trees SeenByAGuest() {
    const auto tree = directory_.path() / "guest";
    fs::copy_file(LOCKET_INSIDE_VM, tree / "init");
    const auto initrd = directory_.path() / "initrd.img";
    const auto image = guest_agent::GuestImageDirectory();
    const Status made = guest_agent::ExtendInitrd(image / "initramfs.img", tree, initrd);
    EXPECT_TRUE(made.ok()) << made.error().message();
    const auto results = directory_.path() / "results";
    std::ofstream(results).close();
    fs::resize_file(results, kResultBytes);
    disks_.push_back({.serial = "results", .file = results, .writable = true});
    auto vm = Vm::Boot(
        {.image_directory = image, .disks = disks_, .initrd = initrd, .memory_mib = kMemoryMib});
    EXPECT_TRUE(vm.ok()) << vm.error().message();
    if (!vm.ok()) return {};
    EXPECT_TRUE((*vm)->AwaitPowerOff(std::chrono::minutes(8)).ok());
    EXPECT_THAT((*vm)->Console(), AllOf(HasSubstr("inside-vm: status 0"), HasSubstr("PASSED")));
    auto text = ReadFile(results, kResultBytes);
    EXPECT_TRUE(text.ok());
    text->resize(text->find('\0'));
    const Json seen = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(seen.is_object());
    return seen.is_object() ? seen.get<Trees>() : Trees();
  }

  TempDir directory_ = std::move(TempDir::Create("/tmp", "locket-overlay-").value());
  std::map<std::string, std::string> serials_{};  // by digest
  std::vector<VmDisk> disks_{};
};

TEST_F(OverlayVmTest, AMountedImageIsTheOneThatIsExtractedAndThatUmociUnpacks) {
  const std::string count = FromEnvironment("LOCKET_STACKS", "30");
  const std::string seed = FromEnvironment("LOCKET_SEED", "1");
  Command({"python3", LOCKET_SOURCE_DIR "/tests/guest-mounter/layer_stacks.py",
           (directory_.path() / "plain").string(), count, seed});
  ASSERT_NO_FATAL_FAILURE(SealAll());
  const Trees extracted = Extracted();
  const Trees seen = SeenByAGuest();
  EXPECT_EQ(extracted.size(), std::stoul(count));
  ASSERT_EQ(seen.size(), extracted.size());
  for (const auto& [tag, tree] : extracted) {
    EXPECT_EQ(seen.at(tag), tree) << tag << " of seed " << seed;
    EXPECT_EQ(WithoutDirectoryTimes(tree), UnpackedByUmoci(tag)) << tag << " of seed " << seed;
  }
}

}  // namespace
}  // namespace locket::guest_mounter
