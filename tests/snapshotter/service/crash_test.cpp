// Kills locket-snapshotter, at random and at each failpoint, while clients work. After each restart
// what was acknowledged is there, and List, blobs and directories agree to the last one.
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "image/sealed/rootfs_description.h"
#include "snapshotter/store/failpoint.h"
#include "tests/snapshotter/containerd/containerd_server.h"
#include "tests/snapshotter/convert/ordinary_image.h"
#include "tests/snapshotter/image_fixture.h"
#include "tests/snapshotter/pull/loopback_registry.h"
#include "tests/snapshotter/service/crash_ledger.h"
#include "tests/snapshotter/service/server_fixture.h"

namespace locket::snapshotter {
namespace {

namespace fs = std::filesystem;
using ::testing::UnorderedElementsAreArray;

constexpr int kKilled = 128 + SIGKILL;
// Of containers on sealed layers; containerd's namespace and a number.
constexpr std::string_view kContainerPrefix = "k8s.io/1/on-sealed.";

std::string LabelOf(const pb::Info& info, const std::string& key) {
  const auto found = info.labels().find(key);
  return found == info.labels().end() ? std::string() : found->second;
}

bool IsSealedLayer(const pb::Info& info) { return info.name().starts_with("sealed/"); }

std::string LedgerKey(const pb::Info& info) {
  if (!IsSealedLayer(info)) return info.name();
  return LabelOf(info, std::string(kSnapshotRefLabel)) + " on " + info.parent();
}

size_t NumEntries(const fs::path& directory) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(directory), {}));
}

class CrashTest : public ServerTest {
 protected:
  void SetUp() override {
    for (const char* layers : {"AB", "AC", "D"}) {
      const std::string name = registry_.host() + "/i" + std::to_string(images_.size());
      images_.push_back(MakeImage(name + ":1", layers));
      kept_.push_back(images_.back());
      run_.push_back(MakeImage(name + ":2", layers, "9:9"));
      containerd_.AddImage("k8s.io", run_.back());
    }
    // Not sealed: converted. They share their lowest layer.
    for (const char* content : {"one", "other"}) {
      const std::string name = registry_.host() + "/" + content;
      const std::vector<OrdinaryLayer> layers{Gzip(BaseTar()), Plain(TopTar(content))};
      images_.push_back(MakeOrdinaryImage(name + ":1", layers, "app"));
      kept_.push_back(Sealed(images_.back(), "1000:1001"));
      const TestImage run = MakeOrdinaryImage(name + ":2", layers, "root");
      run.AddTo(registry_);
      containerd_.AddImage("k8s.io", run);
      run_.push_back(Sealed(run, "0:0"));
    }
    for (const TestImage& image : images_) image.AddTo(registry_);
    Configure(
        "convert = true\n[cache]\nhigh_bytes = 0\nlow_bytes = 0\nkeep_partial_downloads_s = 0\n"
        "[cri]\ncontainerd = \"" +
        ContainerdSocket() + "\"\n");
  }

  // These say false once the server is gone.
  bool Done(const grpc::Status& status, grpc::StatusCode expected = grpc::StatusCode::OK) {
    ++num_requests_;
    if (status.error_code() == expected) return true;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    return false;
  }
  bool Make(const std::string& key, const std::string& parent) {
    ledger_.Set(key, Ledger::Known::kEither);
    if (!Done(Prepare({.key = key, .parent = parent}))) return false;
    ledger_.Set(key, Ledger::Known::kPresent);
    return true;
  }
  bool MakeCommitted(const std::string& name, const std::string& key) {
    ledger_.SetExactlyOne(key, name);
    if (!Done(Commit(name, key))) return false;
    ledger_.SetRenamed(key, name);
    return true;
  }
  bool Drop(const std::string& name, const std::string& ledger_key) {
    ledger_.Set(ledger_key, Ledger::Known::kEither);
    if (!Done(Remove(name))) return false;
    ledger_.Set(ledger_key, Ledger::Known::kAbsent);
    return true;
  }
  bool CleanUp() {
    grpc::ClientContext context;
    google::protobuf::Empty nothing;
    return Done(client_->Cleanup(&context, pb::CleanupRequest(), &nothing));
  }

  // The life of an ordinary layer and of a container on it; some stay.
  bool OrdinaryCycle(const std::string& name, bool stays) {
    if (!Make(name + "-active", "") || !MakeCommitted(name, name + "-active")) return false;
    if (!Make(name + "-container", name)) return false;
    return stays || (Drop(name + "-container", name + "-container") && Drop(name, name));
  }

  std::string ContainerdSocket() const { return temp_.path() / "containerd.sock"; }

  // A container of image `index` of run_, until its task would be created.
  bool MakeContainer(size_t index, const std::string& id, const std::string& parent) {
    const TestImage& image = run_[index];
    containerd_.AddContainer("k8s.io", id, {.image = image.reference, .snapshot_key = id});
    const std::string name = "k8s.io/1/" + id;
    if (!Make(name, parent)) return false;
    grpc::ClientContext context;
    pb::MountsRequest request;
    request.set_key(name);
    pb::MountsResponse response;
    if (!Done(client_->Mounts(&context, request, &response))) return false;
    CheckTold(response, image);
    return true;
  }
  // The shim is told of the container's own image.
  void CheckTold(const pb::MountsResponse& response, const TestImage& image) {
    const std::string& option = response.mounts(0).options(2);
    const auto json = ReadFile(option.substr(option.find('=') + 1), 1 << 20);
    ASSERT_TRUE(json.ok()) << json.error().message();
    const auto told = image::DecodeRootfsDescription(*json);
    ASSERT_TRUE(told.ok()) << told.error().message();
    EXPECT_EQ(told->manifest_digest.ToText(), image.manifest_digest());
    EXPECT_EQ(*ReadFile(told->config_path, 1 << 20), image.config);
  }
  // Its name ends with the number.
  const TestImage& ImageOf(const std::string& container) const {
    return run_.at(std::stoul(container.substr(container.rfind('.') + 1)));
  }

  // Pulls an image and runs a container on it; then all of it goes.
  bool SealedCycle(size_t index, const std::string& name) {
    const TestImage& image = images_[index];
    std::vector<std::pair<std::string, std::string>> pulled;  // name and ledger key
    std::string parent;
    for (size_t i = 0; i < image.layers.size(); ++i) {
      const std::string key = image.chain_ids[i] + " on " + parent;
      ledger_.Set(key, Ledger::Known::kEither);
      const auto request = image.Pull(i, parent, "k8s.io/1/extract-" + name + " x");
      if (!Done(Prepare(request), grpc::StatusCode::ALREADY_EXISTS)) return false;
      ledger_.Set(key, Ledger::Known::kPresent);
      const auto name_of_layer = FindLayer(image.chain_ids[i], parent);
      if (!name_of_layer) return false;
      pulled.emplace_back(*name_of_layer, key);
      parent = *name_of_layer;
    }
    const std::string id = name + "-container." + std::to_string(index);
    if (!MakeContainer(index, id, parent)) return false;
    if (!Drop("k8s.io/1/" + id, "k8s.io/1/" + id)) return false;
    for (auto it = pulled.rbegin(); it != pulled.rend(); ++it) {
      // Its bottom layer may be another image's, too.
      if (HasChildren(it->first)) break;
      if (!Drop(it->first, it->second)) return false;
    }
    return CleanUp();
  }
  std::optional<std::string> FindLayer(const std::string& ref, const std::string& parent) {
    const auto infos = ListWhileAlive();
    if (!infos) return std::nullopt;
    for (const pb::Info& info : *infos) {
      if (LabelOf(info, std::string(kSnapshotRefLabel)) == ref && info.parent() == parent) {
        return info.name();
      }
    }
    ADD_FAILURE() << "ALREADY_EXISTS, but it is not in the list: " << ref;
    return std::nullopt;
  }
  bool HasChildren(const std::string& name) {
    const auto infos = ListWhileAlive();
    return infos &&
           std::ranges::any_of(*infos, [&](const auto& info) { return info.parent() == name; });
  }
  std::optional<std::vector<pb::Info>> ListWhileAlive() {
    grpc::ClientContext context;
    const auto reader = client_->List(&context, pb::ListSnapshotsRequest());
    std::vector<pb::Info> infos;
    pb::ListSnapshotsResponse response;
    while (reader->Read(&response)) {
      infos.insert(infos.end(), response.info().begin(), response.info().end());
    }
    if (!reader->Finish().ok()) return std::nullopt;
    return infos;
  }

  // All of it after a restart, before and after the clean-up that containerd's collector asks for.
  void CheckAll() {
    const std::vector<pb::Info> infos = List();
    std::set<std::string> there;
    for (const pb::Info& info : infos) {
      EXPECT_TRUE(there.insert(LedgerKey(info)).second) << "twice: " << LedgerKey(info);
    }
    ledger_.Check(there);
    CheckDirectories(infos);
    CheckBlobs(infos, /*all_are_used=*/false);
    EXPECT_TRUE(CleanUp());
    CheckDirectories(infos);
    CheckBlobs(infos, /*all_are_used=*/true);
    EXPECT_EQ(NumEntries(root() / "ingest"), 0U) << "bytes of a partial download are left";
    EXPECT_EQ(NumEntries(root() / "converting"), 0U) << "bytes of a conversion are left";
    for (const auto& entry : fs::directory_iterator(root() / "converted")) {
      const auto record = image::DecodeConvertedLayer(*ReadFile(entry.path(), 1 << 20));
      ASSERT_TRUE(record.ok()) << record.error().message();
      EXPECT_TRUE(fs::exists(root() / "blobs/sha256" / record->blob_digest.Hex()));
    }
  }

  void CheckDirectories(const std::vector<pb::Info>& infos) {
    size_t num_directories = 0;
    size_t num_work_directories = 0;
    for (const pb::Info& info : infos) {
      const bool on_sealed = info.parent().starts_with("sealed/");
      if (!IsSealedLayer(info)) ++num_directories;
      if (!IsSealedLayer(info) && !on_sealed && !info.parent().empty()) ++num_work_directories;
      if (info.kind() != pb::ACTIVE) continue;
      grpc::ClientContext context;
      pb::MountsRequest request;
      request.set_key(info.name());
      pb::MountsResponse response;
      EXPECT_TRUE(client_->Mounts(&context, request, &response).ok()) << info.name();
      if (on_sealed) CheckTold(response, ImageOf(info.name()));
      for (const std::string& option : response.mounts(0).options()) {
        const std::string path = option.substr(option.find('=') + 1);
        if (path.starts_with(root().string())) {
          EXPECT_TRUE(fs::exists(path)) << info.name();
        }
      }
    }
    EXPECT_EQ(NumEntries(root() / "snapshots"), num_directories);
    EXPECT_EQ(NumEntries(root() / "work"), num_work_directories);
  }

  void CheckBlobs(const std::vector<pb::Info>& infos, bool all_are_used) {
    std::map<std::string, std::string> used;  // bytes by file name
    const auto use = [&](const std::string& bytes) {
      used[image::Digest::Of(bytes).Hex()] = bytes;
    };
    for (const pb::Info& info : infos) {
      if (info.name().starts_with(kContainerPrefix)) {
        use(ImageOf(info.name()).manifest);
        use(ImageOf(info.name()).config);
      }
      if (!IsSealedLayer(info)) continue;
      for (size_t i = 0; i < images_.size(); ++i) {
        if (LabelOf(info, "containerd.io/snapshot/cri.manifest-digest") !=
            images_[i].manifest_digest())
          continue;
        use(kept_[i].manifest);
        use(kept_[i].config);
        for (size_t layer = 0; layer < kept_[i].layers.size(); ++layer) {
          if (images_[i].layer_digests[layer] ==
              LabelOf(info, "containerd.io/snapshot/cri.layer-digest")) {
            use(kept_[i].layers[layer]);
          }
        }
      }
    }
    for (const auto& [name, bytes] : used) {
      const auto stored = ReadFile(root() / "blobs/sha256" / name, 1 << 20);
      EXPECT_TRUE(stored.ok() && *stored == bytes) << "blob " << name;
    }
    if (!all_are_used) return;
    EXPECT_EQ(NumEntries(root() / "blobs/sha256"), used.size()) << "bytes of a blob are left";
  }

  // Clients work until the server is gone: by itself at a failpoint, or after so many requests.
  void WorkUntilKilled(int seed, int kill_after) {
    num_requests_ = 0;
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 3; ++worker) {
      workers.emplace_back([this, seed, worker] {
        const std::string name = std::to_string(seed) + "." + std::to_string(worker) + ".";
        for (int i = 0; OrdinaryCycle(name + std::to_string(i), i % 3 == 0); ++i) {
        }
        ended_ = true;
      });
    }
    workers.emplace_back([this, seed] {
      const std::string name = "on-sealed." + std::to_string(seed) + ".";
      for (size_t i = 0; SealedCycle(i % images_.size(), name + std::to_string(i)); ++i) {
      }
      ended_ = true;
    });
    while (num_requests_ < kill_after && !ended_) std::this_thread::yield();
    EXPECT_EQ(Stop(SIGKILL), kKilled) << log_();
    workers.clear();
    ended_ = false;
  }

  // What containers a kill left on sealed layers, so that the layers can go.
  void DropContainersOnSealedLayers() {
    for (const pb::Info& info : List()) {
      if (!info.name().starts_with(kContainerPrefix)) continue;
      EXPECT_TRUE(Drop(info.name(), info.name()));
    }
  }

  LoopbackRegistry registry_;
  FakeContainerd containerd_;
  const ContainerdServer containerd_server_{containerd_, ContainerdSocket()};
  std::vector<TestImage> images_;
  std::vector<TestImage> kept_;  // the same as the server keeps them: sealed
  std::vector<TestImage> run_;   // of the same layers, what containers are of; sealed
  Ledger ledger_;
  std::atomic<int> num_requests_ = 0;
  std::atomic<bool> ended_ = false;
};

// 300 rounds in all; LOCKET_CRASH_ROUNDS asks for another number in each of the ten.
class RandomCrashTest : public CrashTest, public ::testing::WithParamInterface<int> {};

TEST_P(RandomCrashTest, LosesNothingAcknowledgedAndLeavesNothingBehind) {
  const char* asked = std::getenv("LOCKET_CRASH_ROUNDS");
  const int num_rounds = asked != nullptr ? std::atoi(asked) : 30;
  ASSERT_GT(num_rounds, 0) << "LOCKET_CRASH_ROUNDS is no number";
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  for (int round = 0; round < num_rounds && !HasFailure(); ++round) {
    // Every other one dies at a failpoint instead, the nth time it is passed.
    environment_.clear();
    const std::string_view failpoint = kFailpoints.at(random() % kFailpoints.size());
    if (round % 2 == 1) {
      environment_.push_back("LOCKET_SNAPSHOTTER_FAILPOINT=" + std::string(failpoint) + ":" +
                             std::to_string(1 + random() % 5));
    }
    SCOPED_TRACE("round " + std::to_string(round) +
                 (environment_.empty() ? "" : ", " + environment_[0]));
    Start();
    WorkUntilKilled(round, static_cast<int>(round % 2 == 1 ? 100 : random() % 50));
    environment_.clear();
    Start();
    CheckAll();
    DropContainersOnSealedLayers();
    Stop(SIGKILL);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomCrashTest, ::testing::Range(1, 11));

class FailpointTest : public CrashTest, public ::testing::WithParamInterface<std::string_view> {
 protected:
  bool WholeLife(const std::string& name) {
    return OrdinaryCycle(name, /*stays=*/false) && SealedCycle(0, "on-sealed." + name) &&
           SealedCycle(images_.size() - 1, "on-sealed.converted." + name) &&
           OrdinaryCycle(name + "-last", /*stays=*/true);
  }
};

TEST_P(FailpointTest, DyingThereLosesNothingAndLeavesNothingBehind) {
  environment_ = {"LOCKET_SNAPSHOTTER_FAILPOINT=" + std::string(GetParam())};
  Start();
  EXPECT_FALSE(WholeLife("first")) << "it was never reached";
  const auto status = process_->Wait(kPatience);
  ASSERT_TRUE(status.ok()) << "it lives";
  EXPECT_EQ(*status, kKilled);
  environment_.clear();
  Start();
  CheckAll();
  DropContainersOnSealedLayers();
  EXPECT_TRUE(WholeLife("second"));
  EXPECT_TRUE(CleanUp());  // directories go after the answer
  CheckAll();
}

INSTANTIATE_TEST_SUITE_P(All, FailpointTest, ::testing::ValuesIn(kFailpoints),
                         [](const auto& param) {
                           std::string name(param.param);
                           std::erase(name, '-');
                           return name;
                         });

TEST_F(CrashTest, AFailpointThatDoesNotExistIsRefused) {
  for (const char* wrong : {"nowhere", "written:0", "written:x", "written:1x", "written:"}) {
    const auto refused =
        RunCommand({"env", std::string("LOCKET_SNAPSHOTTER_FAILPOINT=") + wrong, kBinary});
    ASSERT_TRUE(refused.ok());
    EXPECT_EQ(refused->exit_status, 2) << wrong;
    EXPECT_THAT(refused->standard_error, ::testing::HasSubstr("failpoint")) << wrong;
  }
}

}  // namespace
}  // namespace locket::snapshotter
