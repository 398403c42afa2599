// Two readers of one tar: what watches it for the accounts must see what erofs/ lays out.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

#include "base/encoding.h"
#include "base/file.h"
#include "erofs/image_builder.h"
#include "erofs/image_reader.h"
#include "image/tar_accounts.h"
#include "tests/erofs/tar_maker.h"

namespace locket::image {
namespace {

class MemorySink final : public erofs::BlockSink {
 public:
  Status Write(uint64_t first_block, std::span<std::byte> blocks) override {
    const uint64_t offset = first_block * erofs::kBlockSize;
    bytes_.resize(std::max(bytes_.size(), offset + blocks.size()));
    std::ranges::copy(blocks, bytes_.begin() + static_cast<ptrdiff_t>(offset));
    return Ok();
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// What the file system laid out from the layer does to one file.
class LaidOut {
 public:
  explicit LaidOut(const erofs::ImageReader& reader) : reader_(reader) {}

  LayerFile Find(const std::string& name) const {
    LayerFile file{.hides_lower = IsOpaque(reader_.root())};
    const auto etc = Child(reader_.root(), "etc");
    if (!etc) return file;
    if (!S_ISDIR(etc->mode)) return {.hides_lower = true};
    file.hides_lower = file.hides_lower || IsOpaque(etc->nid);
    const auto found = Child(etc->nid, name);
    if (!found) return file;
    file.hides_lower = true;
    if (!S_ISREG(found->mode)) return file;
    file.content.emplace();
    EXPECT_TRUE(reader_
                    .Read(*found,
                          [&](std::span<const std::byte> piece) {
                            file.content->append(AsText(piece));
                            return Ok();
                          })
                    .ok());
    return file;
  }

 private:
  std::optional<erofs::Inode> Child(uint64_t directory, const std::string& name) const {
    const auto entries = reader_.List(*reader_.Stat(directory));
    for (const auto& entry : entries.value()) {
      if (entry.name == name) return *reader_.Stat(entry.nid);
    }
    return {};
  }
  bool IsOpaque(uint64_t nid) const { return erofs::IsOpaque(*reader_.Xattrs(*reader_.Stat(nid))); }

  const erofs::ImageReader& reader_;
};

// Tars of few entries, all of which have to do with the two files, in each form there is.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::string Tar() {
    std::string tar;
    for (size_t i = 0, count = 1 + Below(6); i < count; ++i) tar += Entry();
    if (Below(4) > 0) tar += std::string(1024, '\0');
    if (Below(4) == 0) tar += Entry();
    return tar;
  }

 private:
  size_t Below(size_t bound) { return random_() % bound; }
  template <size_t kSize>
  std::string One(const std::array<const char*, kSize>& of) {
    return of[Below(kSize)];
  }
  std::string Name() {
    static constexpr std::array kNames = {"etc",
                                          "etc/",
                                          "etc/passwd",
                                          "./etc/passwd",
                                          "etc//group",
                                          "/etc/passwd",
                                          "etc/passwd/",
                                          "a/../etc/passwd",
                                          "etc/../etc/group",
                                          "./",
                                          "etc/.wh.passwd",
                                          "etc/.wh.group",
                                          ".wh.etc",
                                          "etc/.wh..wh..opq",
                                          ".wh..wh..opq",
                                          "usr/etc/passwd",
                                          "etc/passwd/x",
                                          "passwd",
                                          "etc/..wh.passwd"};
    return One(kNames);
  }
  std::string Entry() {
    static constexpr std::array kTypes = {"0", "0", "0", "0", "5", "5", "1", "2", "3", "6", "7"};
    TarItem item{.name = Name(), .type = One(kTypes)[0], .link = "etc/passwd"};
    if (item.type == '2') item.link = "elsewhere";
    if (item.type == '0' || item.type == '7') item.data = std::string(Below(1200), 'd');
    if (Below(5) == 0) item.pax["path"] = Name();
    if (Below(8) == 0) item.pax["comment"] = std::string(Below(700), 'c');
    std::string before;
    if (Below(6) == 0) {
      before = TarMaker().Add({.name = "L", .data = Name() + '\0', .type = 'L'}).Unfinished();
    }
    if (Below(8) == 0) {
      before +=
          TarMaker()
              .Add({.name = "g", .data = TarMaker::PaxRecord("path", "etc/passwd"), .type = 'g'})
              .Unfinished();
    }
    return before + TarMaker().Add(item).Unfinished();
  }

  std::mt19937 random_;
};

Result<LayerAccounts> LayOut(const std::string& tar) {
  MemorySink sink;
  LOCKET_TRY_ASSIGN(auto builder,
                    erofs::ImageBuilder::Create({.spool_directory = "/dev/shm"}, sink));
  std::string_view left = tar;
  LOCKET_TRY(builder.AddTar(
      [&]() -> Result<std::span<const std::byte>> { return AsBytes(std::exchange(left, {})); }));
  LOCKET_TRY(builder.Finish({}));
  const auto read_at = [&](uint64_t offset, std::span<std::byte> out) {
    std::copy_n(sink.bytes().begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return Ok();
  };
  LOCKET_TRY_ASSIGN(const auto reader, erofs::ImageReader::Open(read_at, sink.bytes().size()));
  const LaidOut laid_out(reader);
  return LayerAccounts{.passwd = laid_out.Find("passwd"), .group = laid_out.Find("group")};
}

TEST(TarAccountsAgreementTest, TheWatcherSeesWhatIsLaidOutOrSaysThatItDoesNot) {
  int compared = 0;
  for (unsigned seed = 0; seed < 4000 && !HasFailure(); ++seed) {
    const std::string tar = Generator(seed).Tar();
    const auto laid_out = LayOut(tar);
    if (!laid_out.ok()) continue;  // refused, whatever was watched
    TarAccountsWatcher watcher;
    watcher.Feed(AsBytes(tar));
    for (const auto& [seen, is] : {std::pair{watcher.found().passwd, laid_out->passwd},
                                   std::pair{watcher.found().group, laid_out->group}}) {
      if (!seen.trouble.empty()) {
        EXPECT_TRUE(seen.hides_lower && !seen.content) << "seed " << seed;
        continue;
      }
      EXPECT_EQ(seen, is) << "seed " << seed;
      if (is.content) ++compared;
    }
  }
  EXPECT_GT(compared, 500) << "the tars are too strange to say much";
}

}  // namespace
}  // namespace locket::image
