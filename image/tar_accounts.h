// Finds /etc/passwd and /etc/group in a layer's tar while it flows past on its way to being sealed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace locket::image {

// What one layer does to one file of the image.
struct LayerFile {
  std::optional<std::string> content{};  // the layer brings it
  bool hides_lower = false;  // a whiteout (or something in its place) hides lower layers'
  std::string trouble{};     // it is there but cannot be read, and why

  bool operator==(const LayerFile&) const = default;
};

struct LayerAccounts {
  LayerFile passwd{};
  LayerFile group{};

  bool operator==(const LayerAccounts&) const = default;
};

// Takes an uncompressed tar (ustar, pax, GNU) piece by piece, holds at most the two files. Never
// fails: a damaged tar is the sealing's to refuse. If a header cannot be read, or /etc is no
// directory, both files have trouble, as nobody knows what else the layer does to them. What
// follows the tar's end is no part of it. Names that lead there through other symlinks are not
// looked for.
class TarAccountsWatcher {
 public:
  void Feed(std::span<const std::byte> bytes);
  const LayerAccounts& found() const { return found_; }

 private:
  enum class Body { kSkip, kLongName, kPax, kPasswd, kGroup };

  void Block();
  void Header();
  void GiveUp(const std::string& trouble);
  void BodyDone();
  void Entry(char type);
  void Pax();
  void Record(std::string_view key, std::string_view value);
  void Replaced(std::string_view name, bool is_directory);

  LayerAccounts found_;
  std::array<char, 512> header_{};
  size_t header_size_ = 0;  // bytes of header_ that are there
  uint64_t body_left_ = 0;
  uint64_t padding_left_ = 0;
  Body body_ = Body::kSkip;
  std::string collected_;
  std::string name_;  // of the entry, from wherever it stands
  std::optional<std::string> next_name_;
  std::optional<std::string> next_sparse_name_;
  bool next_is_sparse_ = false;
  std::optional<uint64_t> next_size_;
  bool in_sparse_map_ = false;  // of the old GNU format: blocks between header and body
  bool done_ = false;           // the end was seen, or nothing can be seen any more
};

// The image's accounts, layer by layer from the bottom.
class ImageAccounts {
 public:
  void AddLayer(const LayerAccounts& layer);

  // Nothing: the image has no such file, or one that cannot be read.
  const std::optional<std::string>& passwd() const { return passwd_.content; }
  const std::optional<std::string>& group() const { return group_.content; }

  // `user` of an image config as numbers, "uid:gid" (image/user.h says how). kFailedPrecondition: a
  // name that the image's files do not resolve.
  Result<std::string> Resolve(std::string_view user) const;

 private:
  LayerFile passwd_;
  LayerFile group_;
};

}  // namespace locket::image
