// The real locket-device-plugin in a process of its own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/device-plugin/fake_kubelet.h"
#include "tests/device-plugin/fake_sys.h"

namespace locket::device_plugin {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBinary = LOCKET_BINARY_DIR "/bin/locket-device-plugin";

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { Configure("[emulated]\ncount = 2\n"); }

  std::filesystem::path kubelet_dir() const { return temp_.path() / "k"; }
  std::string config() const { return temp_.path() / "config.toml"; }
  std::string log() const { return *ReadFile(temp_.path() / "log", 1 << 20); }

  void Configure(const std::string& more) const {
    ASSERT_TRUE(ReplaceFileDurably(config(), "kubelet_dir = '" + kubelet_dir().string() +
                                                 "'\nroot = '" + sys_.root().string() +
                                                 "'\ncheck_interval_s = 3600\n" + more)
                    .ok());
  }
  void Start() {
    const auto log = OpenFile(temp_.path() / "log", O_WRONLY | O_CREAT | O_APPEND);
    ASSERT_TRUE(log.ok());
    auto started = Subprocess::Start({kBinary, "--config", config()}, {.stderr_fd = log->get()});
    ASSERT_TRUE(started.ok()) << started.error().message();
    process_.emplace(std::move(started).value());
  }
  int Stop(int signal) {
    EXPECT_TRUE(process_->Kill(signal).ok());
    const auto status = process_->Wait(kPatience);
    EXPECT_TRUE(status.ok()) << "it did not end";
    return status.ok() ? *status : -1;
  }
  CommandOutput Run(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), kBinary);
    auto output = RunCommand(flags);
    EXPECT_TRUE(output.ok());
    return std::move(output).value();
  }

  const TempDir temp_ =
      std::move(TempDir::Create(std::filesystem::temp_directory_path(), "program-")).value();
  const FakeSys sys_;
  FakeKubelet kubelet_{temp_.path() / "k"};
  std::optional<Subprocess> process_;
};

TEST_F(ProgramTest, StopsCleanlyAtSigterm) {
  kubelet_.Start();
  Start();
  const std::string endpoint = kubelet_.Attempt("locket.dev/emulated").endpoint();
  Watcher watcher(kubelet_dir() / endpoint);
  EXPECT_EQ(watcher.Next(), std::pair(2, 0));
  struct stat status {};
  ASSERT_EQ(::lstat((kubelet_dir() / endpoint).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(watcher.Next(), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(kubelet_dir() / endpoint));
  EXPECT_THAT(log(), HasSubstr("stopping signal=\"15\""));
}

TEST_F(ProgramTest, StopsCleanlyWithoutAKubelet) {
  Start();
  while (log().find("waiting for the kubelet, whose directory is not there") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_EQ(Stop(SIGINT), 0);
}

TEST_F(ProgramTest, SighupReadsTheConfigurationAgain) {
  kubelet_.Start();
  Start();
  kubelet_.Attempt("locket.dev/emulated");
  Configure("[emulated]\ncount = 5\nresource = 'a.example/toy'\n");
  ASSERT_TRUE(process_->Kill(SIGHUP).ok());
  const std::string endpoint = kubelet_.Attempt("a.example/toy").endpoint();
  EXPECT_EQ(Watcher(kubelet_dir() / endpoint).Next(), std::pair(5, 0));
  EXPECT_FALSE(std::filesystem::exists(kubelet_dir() / "locket.dev_emulated.sock"));
  EXPECT_EQ(Stop(SIGTERM), 0);
}

TEST_F(ProgramTest, AWrongConfigurationChangesNothing) {
  kubelet_.Start();
  Start();
  const std::string endpoint = kubelet_.Attempt("locket.dev/emulated").endpoint();
  Watcher watcher(kubelet_dir() / endpoint);
  EXPECT_EQ(watcher.Next(), std::pair(2, 0));
  Configure("[emulated]\ncount = 'many'\n");
  ASSERT_TRUE(process_->Kill(SIGHUP).ok());
  while (log().find("going on with the old configuration") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_THAT(log(), HasSubstr("key 'emulated.count': must be a whole number"));
  Configure("[emulated]\ncount = 2\n");
  ASSERT_TRUE(process_->Kill(SIGHUP).ok());
  while (log().find("nothing changed") == std::string::npos) std::this_thread::yield();
  EXPECT_EQ(kubelet_.num_attempts("locket.dev/emulated"), 1U);
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_EQ(watcher.Next(), std::nullopt);
}

TEST_F(ProgramTest, ListsWhatItWouldAnnounceAndTouchesNothing) {
  sys_.HaveSnp(99);
  const auto text = Run({"--config", config(), "--list"});
  EXPECT_EQ(text.exit_status, 0);
  EXPECT_THAT(text.standard_output, HasSubstr("locket.dev/snp       99"));
  const auto json = Run({"--config", config(), "--list", "--json"});
  EXPECT_EQ(nlohmann::json::parse(json.standard_output)[2]["devices"], 2);
  EXPECT_FALSE(std::filesystem::exists(kubelet_dir()));
  sys_.Write("sys/fs/cgroup/misc.capacity", "nonsense");
  const auto failed = Run({"--config", config(), "--list", "--json"});
  EXPECT_EQ(failed.exit_status, 1);
  EXPECT_EQ(failed.standard_output, "");
  EXPECT_THAT(failed.standard_error,
              HasSubstr("locket-device-plugin: count 'locket.dev/snp': read '/sys/fs/cgroup/"));
}

TEST_F(ProgramTest, SaysWhatIsWrongWithItsFlags) {
  EXPECT_EQ(Run({"--config", config(), "--check-config"}).exit_status, 0);
  EXPECT_EQ(Run({"--version"}).exit_status, 0);
  Configure("surprise = 1\n");
  const auto wrong = Run({"--config", config(), "--check-config"});
  EXPECT_EQ(wrong.exit_status, 2);
  EXPECT_THAT(wrong.standard_error, HasSubstr("config.toml': key 'surprise': unknown"));
}

}  // namespace
}  // namespace locket::device_plugin
