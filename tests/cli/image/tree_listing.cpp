#include "tests/cli/image/tree_listing.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "base/encoding.h"
#include "base/file.h"
#include "image/oci/digest.h"

namespace locket::cli {
namespace fs = std::filesystem;
namespace {

std::string XattrText(const std::string& path) {
  std::vector<char> names(64U << 10);
  std::vector<char> value(64U << 10);
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  std::map<std::string, std::string> found;
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.data() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (length >= 0) found[name] = std::string(value.data(), static_cast<size_t>(length));
  }
  std::string text;
  for (const auto& [name, bytes] : found) text += " " + name + "=" + HexEncode(AsBytes(bytes));
  return text;
}

std::string Describe(const std::string& path,
                     std::map<std::pair<dev_t, ino_t>, std::string>& first_names) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  std::ostringstream line;
  line << std::oct << status.st_mode << std::dec << " " << status.st_uid << ":" << status.st_gid
       << " " << status.st_mtim.tv_sec << "." << status.st_mtim.tv_nsec << " " << status.st_rdev
       << XattrText(path);
  if (S_ISDIR(status.st_mode)) return line.str();
  const auto [first, is_new] = first_names.emplace(std::pair(status.st_dev, status.st_ino), path);
  if (!is_new) line << " link to " << first->second;
  if (S_ISLNK(status.st_mode)) line << " -> " << fs::read_symlink(path).string();
  if (S_ISREG(status.st_mode)) {
    line << " " << image::Digest::Of(ReadFile(path, 256U << 20).value()).ToText();
  }
  return line.str();
}

}  // namespace

std::map<std::string, std::string> ListTree(const std::string& root) {
  std::map<std::string, std::string> tree;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
  std::vector<std::string> paths{root};
  for (const auto& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    std::string name = path == root ? "." : path.substr(root.size() + 1);
    std::string text = Describe(path, first_names);
    const size_t at = text.find(root);
    if (at != std::string::npos) text.erase(at, root.size());
    tree.emplace(std::move(name), std::move(text));
  }
  return tree;
}

}  // namespace locket::cli
