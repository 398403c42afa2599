#include "image/seal/layer_accounts.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/encoding.h"

namespace locket::image {
namespace {

constexpr uint64_t kMaxAccountsBytes = 4U << 20;

// Names of a directory ascend.
std::optional<uint64_t> Find(const std::vector<erofs::NamedNode>& children, std::string_view name) {
  const auto found = std::ranges::lower_bound(children, name, {}, &erofs::NamedNode::name);
  if (found == children.end() || found->name != name) return std::nullopt;
  return found->nid;
}

LayerFile Trouble(std::string why) { return {.hides_lower = true, .trouble = std::move(why)}; }

Result<LayerFile> ReadAccounts(const erofs::ImageReader& layer, const erofs::Inode& file,
                               const std::string& path) {
  if (erofs::IsWhiteout(file)) return LayerFile{.hides_lower = true};
  if (!S_ISREG(file.mode)) return Trouble("its " + path + " is not a regular file");
  if (file.size > kMaxAccountsBytes) return Trouble("its " + path + " is too large");
  std::string content;
  LOCKET_TRY(layer.Read(file, [&](std::span<const std::byte> piece) {
    content.append(AsText(piece));
    return Ok();
  }));
  return LayerFile{.content = std::move(content), .hides_lower = true};
}

class EtcReader {
 public:
  explicit EtcReader(const erofs::ImageReader& layer) : layer_(layer) {}

  // Whether there is a directory /etc to read from. If not, `both` says what holds of the files.
  Result<bool> Enter(LayerFile& both) {
    LOCKET_TRY_ASSIGN(const auto root, layer_.Stat(layer_.root()));
    LOCKET_TRY_ASSIGN(const auto root_xattrs, layer_.Xattrs(root));
    both.hides_lower = erofs::IsOpaque(root_xattrs);
    LOCKET_TRY_ASSIGN(const auto names, layer_.List(root));
    const auto nid = Find(names, "etc");
    if (!nid) return false;
    LOCKET_TRY_ASSIGN(const auto etc, layer_.Stat(*nid));
    if (erofs::IsWhiteout(etc)) both.hides_lower = true;
    if (erofs::IsWhiteout(etc)) return false;
    if (!S_ISDIR(etc.mode)) {
      both = Trouble("its /etc is not a directory");
      return false;
    }
    LOCKET_TRY_ASSIGN(const auto xattrs, layer_.Xattrs(etc));
    both.hides_lower = both.hides_lower || erofs::IsOpaque(xattrs);
    LOCKET_TRY_ASSIGN(names_, layer_.List(etc));
    return true;
  }

  Result<LayerFile> File(const std::string& name, const LayerFile& otherwise) const {
    const auto nid = Find(names_, name);
    if (!nid) return otherwise;
    LOCKET_TRY_ASSIGN(const auto file, layer_.Stat(*nid));
    return ReadAccounts(layer_, file, "/etc/" + name);
  }

 private:
  const erofs::ImageReader& layer_;
  std::vector<erofs::NamedNode> names_{};
};

}  // namespace

Result<LayerAccounts> ReadLayerAccounts(const erofs::ImageReader& layer) {
  EtcReader etc(layer);
  LayerFile both;
  LOCKET_TRY_ASSIGN(const bool is_directory, etc.Enter(both));
  if (!is_directory) return LayerAccounts{.passwd = both, .group = both};
  LOCKET_TRY_ASSIGN(auto passwd, etc.File("passwd", both));
  LOCKET_TRY_ASSIGN(auto group, etc.File("group", both));
  return LayerAccounts{.passwd = std::move(passwd), .group = std::move(group)};
}

}  // namespace locket::image
