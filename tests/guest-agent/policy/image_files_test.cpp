// What the agent reads in a container's root directory: accounts, programs, the working directory.
#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "base/file.h"
#include "guest-agent/policy/executable.h"
#include "guest-agent/policy/guest_account.h"
#include "guest-agent/policy/root_directory.h"

namespace locket::guest_agent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImageFilesTest : public ::testing::Test {
 protected:
  ImageFilesTest() { fs::create_directories(Path("/etc")); }

  fs::path Path(const std::string& inside) const {
    return directory_.path() / "root" / fs::path(inside).relative_path();
  }
  void Write(const std::string& inside, const std::string& text, mode_t mode = 0755) const {
    fs::create_directories(Path(inside).parent_path());
    std::ofstream(Path(inside), std::ios::binary) << text;
    ASSERT_EQ(::chmod(Path(inside).c_str(), mode), 0);
  }
  void Link(const std::string& inside, const std::string& target) const {
    fs::create_directories(Path(inside).parent_path());
    fs::create_symlink(target, Path(inside));
  }
  fs::path MakeVolume(const std::string& name) const {
    fs::create_directories(directory_.path() / name);
    return directory_.path() / name;
  }
  RootDirectory Root() const { return RootDirectory::Open(directory_.path() / "root").value(); }

  static ImageProcess Process(const std::string& program) {
    return {.argv = {program},
            .env = {"PATH=/none:/bin:relative"},
            .working_directory = "/work",
            .uid = 1000,
            .gid = 1000};
  }
  std::string WhyNot(const std::string& program, const std::vector<VolumeMount>& volumes = {}) {
    const Status checked = CheckExecutable(Root(), Process(program), volumes);
    return checked.ok() ? "" : checked.error().message();
  }

  TempDir directory_ = std::move(TempDir::Create(::testing::TempDir(), "image-files").value());
};

TEST_F(ImageFilesTest, LinksAreFollowedAsInTheContainerAndNeverOutOfIt) {
  const fs::path secret = directory_.path() / "secret";
  std::ofstream(secret) << "the guest's";
  Write("/etc/real", "the image's");
  Link("/etc/absolute", "/etc/real");
  Link("/etc/relative", "../etc/real");
  Link("/etc/up", "../../../../etc/real");
  Link("/etc/out", secret.string());
  Link("/etc/climb", "../../secret");
  for (const char* path : {"/etc/real", "/etc/absolute", "/etc/relative", "/etc/up"}) {
    EXPECT_EQ(Root().ReadFile(path, 100).value(), "the image's") << path;
  }
  for (const char* path : {"/etc/out", "/etc/climb", "/../secret", "/etc/real/x", "/none"}) {
    const auto text = Root().ReadFile(path, 100);
    ASSERT_FALSE(text.ok()) << path;
    EXPECT_EQ(text.error().code(), ErrorCode::kNotFound) << text.error().message();
  }
}

TEST_F(ImageFilesTest, OnlyRegularFilesAreOpenedAndOnlyUpToABound) {
  ASSERT_EQ(::mkfifo(Path("/etc/fifo").c_str(), 0666), 0);  // to open it would wait for ever
  EXPECT_EQ(Root().OpenFile("/etc/fifo").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Root().OpenFile("/etc").error().code(), ErrorCode::kInvalidArgument);
  Write("/etc/long", std::string(101, 'x'));
  EXPECT_EQ(Root().ReadFile("/etc/long", 100).error().code(), ErrorCode::kResourceExhausted);
}

TEST_F(ImageFilesTest, AccountsComeFromTheImagesFiles) {
  Write("/usr/etc/passwd", "root:x:0:0::/root:\napp:x:1000:1000::/app:\n");
  Link("/etc/passwd", "/usr/etc/passwd");
  Write("/etc/group", "audio:x:29:app\n");
  ImageProcess process = Process("/app");
  ASSERT_TRUE(AddAccount(Root(), process).ok());
  EXPECT_THAT(process.groups, ElementsAre(29));
  EXPECT_EQ(process.home, "/app");
}

TEST_F(ImageFilesTest, AnImageWithoutAccountsHasNone) {
  ImageProcess process = Process("/app");
  ASSERT_TRUE(AddAccount(Root(), process).ok());
  EXPECT_THAT(process.groups, IsEmpty());
  EXPECT_EQ(process.home, "");
}

TEST_F(ImageFilesTest, AccountsThatAreNoFileOrTooLongAreRefused) {
  ImageProcess process = Process("/app");
  Write("/etc/passwd", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(AddAccount(Root(), process).error().code(), ErrorCode::kResourceExhausted);
  fs::remove(Path("/etc/passwd"));
  fs::create_directory(Path("/etc/passwd"));
  EXPECT_EQ(AddAccount(Root(), process).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ImageFilesTest, NoWorkingDirectoryLeadsIntoProc) {
  Link("/work", "/proc/self/fd/8");
  Link("/a/link", "../b");
  Link("/b", "proc");
  for (const char* path : {"/proc", "/proc/self/fd/8", "/work", "/a/link/self", "/x/../proc/1",
                           "/none/../proc", "//proc/", "/etc/../../proc"}) {
    const Status checked = CheckWorkingDirectory(Root(), path, {});
    ASSERT_FALSE(checked.ok()) << path;
    EXPECT_THAT(checked.error().message(), HasSubstr("leads into /proc"));
  }
  for (const char* path : {"/", "/etc", "/none/yet", "/process", "/etc/proc"}) {
    EXPECT_TRUE(CheckWorkingDirectory(Root(), path, {}).ok()) << path;
  }
  Link("/loop", "loop");
  EXPECT_THAT(CheckWorkingDirectory(Root(), "/loop", {}).error().message(),
              HasSubstr("too many links"));
}

// Containers may put anything into a volume before another one of the pod is created.
TEST_F(ImageFilesTest, WorkingDirectoriesBelowVolumesAreResolvedInsideThem) {
  Link("/through", "/vol/link");
  Link("/mounted", "/vol");
  Link("/listed", "/real");
  Link("/vol/hidden", "/proc");  // of the image, below the volume
  const auto volume = MakeVolume("one");
  const auto other = MakeVolume("two");
  fs::create_directories(volume / "src/deep");
  fs::create_symlink("/proc/self/fd/8", volume / "link");
  fs::create_symlink("../..", volume / "src/up");
  fs::create_symlink("/real/to-proc", volume / "over");
  fs::create_symlink("../proc/1", other / "to-proc");
  fs::create_symlink("/etc", other / "etc");
  const std::vector<VolumeMount> volumes = {
      {.name = "v", .destination = "/vol", .read_only = false, .directory = volume},
      {.name = "w", .destination = "/listed", .read_only = true, .directory = other}};
  for (const char* path :
       {"/vol/link", "/vol/link/x", "/through", "/mounted/link", "/vol/over", "/real/to-proc/root",
        "/listed/to-proc", "/vol/src/up/proc", "/vol/none/../../proc"}) {
    const Status checked = CheckWorkingDirectory(Root(), path, volumes);
    ASSERT_FALSE(checked.ok()) << path;
    EXPECT_EQ(checked.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(checked.error().message(), HasSubstr("leads into /proc"));
  }
  for (const char* path : {"/vol", "/vol/", "/vol/src", "/vol/src/deep", "/vol/none/yet",
                           "/mounted/src", "/vol/hidden", "/vol/src/up/etc", "/listed/etc",
                           "/real/etc", "/vol/../etc", "/volume", "/"}) {
    const Status checked = CheckWorkingDirectory(Root(), path, volumes);
    EXPECT_TRUE(checked.ok()) << path << ": " << (checked.ok() ? "" : checked.error().message());
  }
}

TEST_F(ImageFilesTest, OfVolumesAtOnePlaceOrBelowOneAnotherTheLaterOneCounts) {
  const auto outer = MakeVolume("outer");
  const auto inner = MakeVolume("inner");
  fs::create_directories(outer / "in");
  fs::create_symlink("/proc", outer / "in/link");
  fs::create_directories(inner / "link");
  const VolumeMount at_vol = {
      .name = "o", .destination = "/vol", .read_only = false, .directory = outer};
  const VolumeMount below = {
      .name = "i", .destination = "/vol/in", .read_only = false, .directory = inner};
  EXPECT_TRUE(CheckWorkingDirectory(Root(), "/vol/in/link", {at_vol, below}).ok());
  EXPECT_FALSE(CheckWorkingDirectory(Root(), "/vol/in/link", {below, at_vol}).ok());
}

std::string Elf(uint16_t machine, const std::string& loader = "", uint16_t type = ET_EXEC) {
  Elf64_Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = type;
  header.e_machine = machine;
  header.e_phoff = sizeof header;
  header.e_phnum = loader.empty() ? 0 : 1;
  std::string text(reinterpret_cast<const char*>(&header), sizeof header);
  if (loader.empty()) return text;
  Elf64_Phdr segment{};
  segment.p_type = PT_INTERP;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = loader.size() + 1;
  text.append(reinterpret_cast<const char*>(&segment), sizeof segment);
  return text + loader + '\0';
}

TEST_F(ImageFilesTest, WhatTheKernelWouldNotRunIsNamedWithTheReason) {
  Write("/bin/sh", Elf(EM_X86_64));
  fs::create_directory(Path("/work"));
  const std::pair<std::string, std::string> cases[] = {
      {Elf(EM_AARCH64), "exec format error: it is a program for arm64"},
      {Elf(0xffff), "exec format error: it is a program for another processor"},
      {Elf(EM_X86_64, "", ET_REL), "exec format error: it is no program"},
      {Elf(EM_X86_64, "/lib64/ld-x.so"), "its dynamic loader '/lib64/ld-x.so' is not in the image"},
      {"\x7f"
       "ELF",
       "it is cut short"},
      {"", "exec format error: it is empty"},
      {"echo hello\n", "exec format error: it is neither an ELF program nor a script"},
      {"#!/bin/bash\n", "its interpreter '/bin/bash' is not in the image"},
      {"#! /usr/bin/env python\n", "its interpreter '/usr/bin/env' is not in the image"},
      {"#!/bin/sh\r\n", "its first line ends in a carriage return"},
      {"#!  \n", "its first line, #!, names no interpreter"}};
  for (const auto& [content, reason] : cases) {
    Write("/bin/app", content);
    for (const char* program : {"/bin/app", "app", "../bin/app"}) {
      EXPECT_THAT(WhyNot(program), HasSubstr("bin/app': " + reason));
    }
  }
  Write("/bin/app", Elf(EM_X86_64), 0644);
  EXPECT_THAT(WhyNot("/bin/app"), HasSubstr("permission denied: its mode lets nobody execute it"));
}

TEST_F(ImageFilesTest, AFileThatNobodyMayExecuteHidesNoProgramLaterInThePath) {
  fs::create_directory(Path("/work"));
  Write("/bin/app", Elf(EM_X86_64), 0644);
  EXPECT_THAT(WhyNot("app"), HasSubstr("'/bin/app': permission denied"));
  Write("/work/relative/app", Elf(EM_X86_64), 0644);
  EXPECT_THAT(WhyNot("app"), HasSubstr("'/bin/app': permission denied")) << "the first one is told";
  Write("/work/relative/app", Elf(EM_X86_64), 0755);
  EXPECT_EQ(WhyNot("app"), "");
  Write("/work/relative/app", "no program", 0755);
  EXPECT_THAT(WhyNot("app"), HasSubstr("relative/app': exec format error"));
  Write("/bin/app", "no program", 0755);
  Write("/work/relative/app", Elf(EM_X86_64), 0755);
  EXPECT_THAT(WhyNot("app"), HasSubstr("'/bin/app': exec format error"))
      << "execvp(3) goes no further";
}

TEST_F(ImageFilesTest, WhatMayRunIsLeftToTheKernel) {
  Write("/lib64/ld-x.so", "x");
  Write("/bin/sh", Elf(EM_X86_64));
  for (const std::string& content :
       {Elf(EM_X86_64), Elf(EM_X86_64, "/lib64/ld-x.so"), Elf(EM_X86_64, "", ET_DYN),
        std::string("#!/bin/sh"), std::string("#! /bin/sh -e\n"), std::string("#!sh\n")}) {
    Write("/bin/app", content);
    EXPECT_EQ(WhyNot("/bin/app"), "");
  }
  for (const char* program : {"absent", "/absent", "/etc", "./absent"}) {
    EXPECT_EQ(WhyNot(program), "") << "for the runtime to report";
  }
}

TEST_F(ImageFilesTest, FilesUnderAVolumeAreNotTheImages) {
  Write("/data/app", "no program");
  Link("/bin/app", "/data/app");
  Write("/bin/script", "#!/data/interpreter\n");
  const std::vector<VolumeMount> volumes = {
      {.name = "v", .destination = "/data", .read_only = false}};
  for (const char* program : {"/data/app", "/bin/app", "/bin/script"}) {
    EXPECT_NE(WhyNot(program), "") << program;
    EXPECT_EQ(WhyNot(program, volumes), "") << program;
  }
}

}  // namespace
}  // namespace locket::guest_agent
