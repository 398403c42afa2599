// The audit log's promises: durable, bounded, and nobody's words spoil it.
#include "key-broker/audit_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

#include "attest/common/json.h"
#include "base/encoding.h"
#include "base/file.h"

namespace locket::key_broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AuditEntry Entry(bool allowed, const std::string& resource = "a/b/c",
                 const std::string& reason = "") {
  return {.action = "get-resource",
          .allowed = allowed,
          .resource = resource,
          .reason = reason,
          .peer = "127.0.0.1"};
}

class AuditLogTest : public ::testing::Test {
 protected:
  std::filesystem::path Path() const { return directory_.path() / "audit.jsonl"; }
  std::string Read(const std::filesystem::path& path) const {
    return ReadFile(path, 1U << 24).value();
  }
  uintmax_t BytesInDirectory() const {
    uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      bytes += entry.file_size();
    }
    return bytes;
  }
  static size_t Lines(const std::string& text) {
    return static_cast<size_t>(std::ranges::count(text, '\n'));
  }

  FakeClock clock_;
  TempDir directory_ = TempDir::Create("/tmp", "audit").value();
};

TEST_F(AuditLogTest, AppendsOneObjectALine) {
  clock_.Set(std::chrono::system_clock::from_time_t(1750000000));
  for (int i = 0; i < 2; ++i) {  // a second broker goes on where the first ended
    const auto audit = OpenAuditLog(Path(), clock_);
    ASSERT_TRUE(audit.ok());
    auto entry = Entry(true, "a/b/c", "line\nfeed \"quoted\" \xff");
    entry.details = {{"tee", "snp"}};
    ASSERT_TRUE((*audit)->Record(entry).ok());
  }
  const std::string text = Read(Path());
  EXPECT_EQ(Lines(text), 2U);
  const auto line = attest::ParseJsonObject(text.substr(0, text.find('\n')));
  ASSERT_TRUE(line.ok()) << text;
  EXPECT_EQ((*line)["time"], "2025-06-15T15:06:40Z");
  EXPECT_EQ((*line)["decision"], "allow");
  EXPECT_EQ((*line)["tee"], "snp");
  EXPECT_EQ((*line)["reason"], "line?feed \"quoted\" ?");
  struct stat found {};
  ASSERT_EQ(::stat(Path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(AuditLogTest, KeepsRefusalsInAFileOfTheirOwn) {
  const auto audit = OpenAuditLog(Path(), clock_).value();
  ASSERT_TRUE(audit->Record(Entry(true, "x/y/allowed")).ok());
  ASSERT_TRUE(audit->Record(Entry(false, "x/y/refused")).ok());
  EXPECT_THAT(Read(Path()), Not(HasSubstr("x/y/refused")));
  EXPECT_THAT(Read(RefusalLogPath(Path())), HasSubstr("x/y/refused"));
}

TEST_F(AuditLogTest, StaysWithinItsSizeAndRefusalsPushOutNoRelease) {
  constexpr off_t kMax = 10000;
  const auto audit = OpenAuditLog(Path(), clock_, {.max_bytes = kMax, .keep = 2}).value();
  ASSERT_TRUE(audit->Record(Entry(true, "the/first/release")).ok());
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(audit->Record(Entry(false)).ok());
  EXPECT_THAT(Read(Path()), HasSubstr("the/first/release"));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(audit->Record(Entry(true)).ok());
  EXPECT_LE(BytesInDirectory(), uintmax_t{2 * 3 * kMax});
  EXPECT_GT(BytesInDirectory(), uintmax_t{2 * 2 * kMax});
  for (const char* suffix : {"", ".1", ".2"}) {
    for (const auto& base : {Path().string(), RefusalLogPath(Path())}) {
      const std::string text = Read(base + suffix);
      EXPECT_LE(text.size(), size_t{kMax});
      EXPECT_TRUE(text.ends_with("}\n")) << "lines are whole";
    }
  }
  EXPECT_FALSE(std::filesystem::exists(Path().string() + ".3"));
}

TEST_F(AuditLogTest, CutsWhatStrangersSay) {
  auto entry = Entry(false, std::string(100000, '\n'), std::string(100000, '\x01'));
  entry.peer = std::string(100000, '"');
  entry.details = {{"tee", std::string(100000, '\\')}};
  EXPECT_LE(AuditLine(entry, {}).size(), kMaxAuditLineBytes);
}

TEST_F(AuditLogTest, GoesOnInANewFileAfterReopen) {
  const auto audit = OpenAuditLog(Path(), clock_).value();
  ASSERT_TRUE(audit->Record(Entry(true, "be/fo/re")).ok());
  std::filesystem::rename(Path(), Path().string() + ".moved");
  ASSERT_TRUE(audit->Record(Entry(true, "be/fo/re")).ok());
  ASSERT_TRUE(audit->Reopen().ok());
  ASSERT_TRUE(audit->Record(Entry(true, "af/t/er")).ok());
  EXPECT_EQ(Lines(Read(Path().string() + ".moved")), 2U);
  EXPECT_THAT(Read(Path()), HasSubstr("af/t/er"));
}

TEST_F(AuditLogTest, ThatCannotBeWrittenSaysSo) {
  const auto audit = OpenAuditLog("/dev/full", clock_);
  ASSERT_TRUE(audit.ok());
  for (const bool allowed : {true, false}) {
    const auto written = (*audit)->Record(Entry(allowed));
    ASSERT_FALSE(written.ok());
    EXPECT_THAT(written.error().message(), HasSubstr("No space left"));
  }
  EXPECT_FALSE(std::filesystem::exists("/dev/full.refused"));
  EXPECT_THAT(OpenAuditLog("/absent/audit", clock_).error().message(), HasSubstr("/absent/audit"));
}

TEST_F(AuditLogTest, LeavesNoHalfLineBehind) {
  const auto audit = OpenAuditLog(Path(), clock_).value();
  ASSERT_TRUE(audit->Record(Entry(true, "be/fo/re")).ok());
  const size_t whole = Read(Path()).size();
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = whole + 10, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto cut = audit->Record(Entry(true, "cut/o/ff"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_THAT(cut.error().message(), HasSubstr("File too large"));
  ASSERT_TRUE(audit->Record(Entry(true, "af/t/er")).ok());
  const std::string text = Read(Path());
  EXPECT_THAT(text, Not(HasSubstr("cut/o/ff")));
  EXPECT_EQ(Lines(text), 2U);
  EXPECT_TRUE(attest::ParseJsonObject(text.substr(whole)).ok()) << text;
}

TEST_F(AuditLogTest, LosesNoOlderFileWhileTheNextCannotBeOpened) {
  const auto audit = OpenAuditLog(Path(), clock_, {.max_bytes = 1000, .keep = 2}).value();
  ASSERT_TRUE(audit->Record(Entry(true, "the/first/one")).ok());
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &former), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  size_t failed = 0;
  std::string why;
  for (int i = 0; i < 50; ++i) {
    const auto recorded = audit->Record(Entry(true));
    if (recorded.ok()) continue;
    ++failed;
    why = recorded.error().message();
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former), 0);
  EXPECT_GT(failed, 10U);
  EXPECT_THAT(why, HasSubstr("Too many open files"));
  ASSERT_TRUE(audit->Record(Entry(true, "af/t/er")).ok());
  EXPECT_THAT(Read(Path()), HasSubstr("af/t/er"));
  EXPECT_THAT(Read(Path().string() + ".1"), HasSubstr("the/first/one"));
}

TEST_F(AuditLogTest, TakesReleasesForAWhileWhenTheDiskIsFull) {
  if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "lacks the right to mount a tmpfs";
  }
  {
    const auto audit = OpenAuditLog(Path(), clock_).value();
    std::ofstream filler(directory_.path() / "filler");
    while (filler) filler << std::string(4096, 'x') << std::flush;
    size_t releases = 0;
    while (releases < 50000 && audit->Record(Entry(true)).ok()) ++releases;
    EXPECT_GE(releases, 3000U);
    EXPECT_LT(releases, 50000U) << "the disk was not full";
  }
  EXPECT_EQ(::umount2(directory_.path().c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace locket::key_broker
