#include "image/tar_accounts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "image/user.h"

namespace locket::image {
namespace {

constexpr size_t kBlock = 512;
constexpr uint64_t kMaxMeta = 1U << 20;      // a long name or a pax header
constexpr uint64_t kMaxAccounts = 4U << 20;  // /etc/passwd, /etc/group
constexpr uint64_t kMaxSize = uint64_t{1} << 62;

// Offsets of POSIX ustar, tar(5).
constexpr size_t kSizeAt = 124;
constexpr size_t kSizeLength = 12;
constexpr size_t kChecksumAt = 148;
constexpr size_t kChecksumLength = 8;
constexpr size_t kTypeAt = 156;
constexpr size_t kMagicAt = 257;
constexpr size_t kPrefixAt = 345;
constexpr size_t kPrefixLength = 155;
constexpr size_t kNameLength = 100;
// Of old GNU tar's sparse files: whether (more) blocks of the map follow, in the header and in
// those blocks.
constexpr size_t kMapFollowsAt = 482;
constexpr size_t kMoreMapFollowsAt = 504;

constexpr const char* kUnreadable = "a layer's tar has a header that cannot be read";

using Block = std::array<char, kBlock>;

std::string_view Text(const Block& header, size_t at, size_t length) {
  const std::string_view field(header.data() + at, length);
  return field.substr(0, field.find('\0'));
}

// Octal, or base 256 with the top bit set (GNU).
std::optional<uint64_t> Number(const Block& header, size_t at, size_t length) {
  uint64_t value = 0;
  if ((static_cast<unsigned char>(header[at]) & 0x80U) != 0) {
    for (size_t i = 1; i < length; ++i) {
      if (value >= kMaxSize >> 8U) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(header[at + i]);
    }
    return value;
  }
  for (size_t i = 0; i < length; ++i) {
    const char c = header[at + i];
    if (c == ' ' || c == '\0') continue;
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3U | static_cast<uint64_t>(c - '0');
  }
  return value;
}

// Some old tars have added up signed characters.
bool ChecksumFits(const Block& header) {
  int64_t sum = 0;
  int64_t signed_sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumLength;
    sum += own ? ' ' : static_cast<unsigned char>(header[i]);
    signed_sum += own ? ' ' : static_cast<signed char>(header[i]);
  }
  const auto stated = Number(header, kChecksumAt, kChecksumLength);
  if (!stated) return false;
  const auto wanted = static_cast<int64_t>(*stated);
  return wanted == sum || wanted == signed_sum;
}

// "./etc//x/../passwd/" -> "etc/passwd", as erofs/ understands it. A name that climbs above the
// root is refused there.
std::string Clean(std::string_view path) {
  std::string clean;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    start = end + 1;
    if (part == "..") {
      clean.resize(clean.find('/') == std::string::npos ? 0 : clean.rfind('/'));
    } else if (!part.empty() && part != ".") {
      clean.append(clean.empty() ? "" : "/").append(part);
    }
  }
  return clean;
}

}  // namespace

void TarAccountsWatcher::Feed(std::span<const std::byte> bytes) {
  while (!bytes.empty() && !done_) {
    if (body_left_ > 0 && !in_sparse_map_) {
      const size_t n = std::min<uint64_t>(body_left_, bytes.size());
      if (body_ != Body::kSkip) {
        collected_.append(reinterpret_cast<const char*>(bytes.data()), n);
      }
      body_left_ -= n;
      bytes = bytes.subspan(n);
      if (body_left_ == 0) BodyDone();
    } else if (padding_left_ > 0 && !in_sparse_map_) {
      const size_t n = std::min<uint64_t>(padding_left_, bytes.size());
      padding_left_ -= n;
      bytes = bytes.subspan(n);
    } else {
      const size_t n = std::min(kBlock - header_size_, bytes.size());
      std::copy_n(reinterpret_cast<const char*>(bytes.data()), n, header_.data() + header_size_);
      header_size_ += n;
      bytes = bytes.subspan(n);
      if (header_size_ < kBlock) return;
      header_size_ = 0;
      Block();
    }
  }
}

void TarAccountsWatcher::Block() {
  if (!in_sparse_map_) return Header();
  in_sparse_map_ = header_[kMoreMapFollowsAt] != '\0';
}

void TarAccountsWatcher::GiveUp(const std::string& trouble) {
  done_ = true;
  body_ = Body::kSkip;
  for (LayerFile* file : {&found_.passwd, &found_.group}) {
    *file = {.hides_lower = true, .trouble = trouble};
  }
}

void TarAccountsWatcher::Header() {
  done_ = std::all_of(header_.begin(), header_.end(), [](char c) { return c == '\0'; });
  if (done_) return;
  const auto stated = Number(header_, kSizeAt, kSizeLength);
  if (!stated || !ChecksumFits(header_)) return GiveUp(kUnreadable);
  const char type = header_[kTypeAt];
  const bool meta = type == 'L' || type == 'K' || type == 'x' || type == 'g';
  uint64_t size = *stated;
  if (!meta) size = std::exchange(next_size_, std::nullopt).value_or(size);
  // Links, devices and directories have no body, whatever the size field says.
  if (type >= '1' && type <= '6') size = 0;
  if (size > kMaxSize) return GiveUp(kUnreadable);
  const bool names = type == 'L' || type == 'x';
  if (names && size > kMaxMeta) return GiveUp(kUnreadable);
  collected_.clear();
  body_ = Body::kSkip;
  body_left_ = size;
  padding_left_ = (kBlock - size % kBlock) % kBlock;
  if (names) body_ = type == 'L' ? Body::kLongName : Body::kPax;
  in_sparse_map_ = type == 'S' && header_[kMapFollowsAt] != '\0';
  if (!meta) Entry(type);
  if (body_left_ == 0) BodyDone();
}

void TarAccountsWatcher::Entry(char type) {
  std::string path(Text(header_, 0, kNameLength));
  // Only POSIX has a prefix; old GNU keeps times there.
  if (std::string_view(header_.data() + kMagicAt, 6) == std::string_view("ustar\0", 6)) {
    const auto prefix = Text(header_, kPrefixAt, kPrefixLength);
    if (!prefix.empty()) path = std::string(prefix) + "/" + path;
  }
  path = std::exchange(next_name_, std::nullopt).value_or(path);
  path = std::exchange(next_sparse_name_, std::nullopt).value_or(path);
  name_ = Clean(path);
  const bool sparse = std::exchange(next_is_sparse_, false) || type == 'S';
  // With a slash at its end it is a directory, whatever the type (tar before POSIX).
  const bool plain = type == '0' || type == '\0' || type == '7';
  const bool regular = plain && !path.ends_with('/');
  for (auto [path_of, file, body] :
       {std::tuple{std::string_view("etc/passwd"), &found_.passwd, Body::kPasswd},
        std::tuple{std::string_view("etc/group"), &found_.group, Body::kGroup}}) {
    const bool below = name_.starts_with(std::string(path_of) + "/");  // so that is a directory
    if (name_ != path_of && !below) continue;
    file->content.reset();
    file->trouble.clear();
    file->hides_lower = true;
    if (regular && !below && !sparse && body_left_ <= kMaxAccounts) {
      body_ = body;
    } else {
      const bool large = regular && !below && !sparse;
      file->trouble = "its /" + std::string(path_of) +
                      (large ? " is too large" : " is not a regular file, or a sparse one");
    }
  }
  Replaced(name_, type == '5' || (plain && !regular));
}

void TarAccountsWatcher::Replaced(std::string_view name, bool is_directory) {
  if (name == "etc" && !is_directory) return GiveUp("its /etc is not a directory");
  const bool etc = name == ".wh.etc" || name == ".wh..wh..opq" || name == "etc/.wh..wh..opq";
  if (etc || name == "etc/.wh.passwd") found_.passwd.hides_lower = true;
  if (etc || name == "etc/.wh.group") found_.group.hides_lower = true;
}

void TarAccountsWatcher::BodyDone() {
  switch (std::exchange(body_, Body::kSkip)) {
    case Body::kSkip:
      break;
    case Body::kLongName:
      if (!next_name_) next_name_ = collected_.substr(0, collected_.find('\0'));
      break;
    case Body::kPax:
      Pax();
      break;
    case Body::kPasswd:
      found_.passwd.content = std::move(collected_);
      break;
    case Body::kGroup:
      found_.group.content = std::move(collected_);
      break;
  }
  collected_.clear();
}

// Records are "LENGTH KEY=VALUE\n", LENGTH counting all of it.
void TarAccountsWatcher::Pax() {
  std::string_view rest = collected_;
  std::map<std::string_view, std::string_view> records;
  while (!rest.empty()) {
    size_t length = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const auto digits = static_cast<size_t>(parsed.ptr - rest.data());
    if (parsed.ec != std::errc() || length < digits + 2 || length > rest.size()) return;
    const std::string_view record = rest.substr(digits + 1, length - digits - 2);
    rest.remove_prefix(length);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) return;
    records.insert_or_assign(record.substr(0, equals), record.substr(equals + 1));
  }
  for (const auto& [key, value] : records) Record(key, value);
}

// Of several headers before one entry the first counts, as libarchive and so erofs/ has it.
void TarAccountsWatcher::Record(std::string_view key, std::string_view value) {
  if (key == "path" && !next_name_) next_name_ = std::string(value);
  if (key == "GNU.sparse.name" && !next_sparse_name_) next_sparse_name_ = std::string(value);
  next_is_sparse_ = next_is_sparse_ || key.starts_with("GNU.sparse.");
  uint64_t size = 0;
  if (key != "size" || next_size_) return;
  const auto number = std::from_chars(value.data(), value.data() + value.size(), size);
  if (number.ec == std::errc()) next_size_ = size;
}

void ImageAccounts::AddLayer(const LayerAccounts& layer) {
  for (auto [mine, added] :
       {std::pair{&passwd_, &layer.passwd}, std::pair{&group_, &layer.group}}) {
    if (added->content || added->hides_lower) *mine = *added;
  }
}

Result<std::string> ImageAccounts::Resolve(std::string_view user) const {
  auto numeric = ResolveUser(user, passwd_.content.value_or(""), group_.content.value_or(""));
  const bool states_group = user.find(':') < user.size() - 1;
  // Root's group is 0 whatever the file says; that of others is not to be guessed.
  if (numeric.ok() && numeric->uid != 0 && !states_group && !passwd_.trouble.empty()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "resolve USER '" + std::string(user) + "': its group is not known: " +
                     passwd_.trouble + "; give the image a USER of two numbers, UID:GID");
  }
  if (numeric.ok()) return numeric->ToText();
  std::string why = numeric.error().message();
  for (const LayerFile* file : {&passwd_, &group_}) {
    if (!file->trouble.empty()) why += "; " + file->trouble;
  }
  if (numeric.error().code() != ErrorCode::kNotFound) return std::move(numeric).error();
  return Error(ErrorCode::kFailedPrecondition, why + "; give the image a numeric USER");
}

}  // namespace locket::image
