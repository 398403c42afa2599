#include "erofs/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/encoding.h"

namespace locket::erofs {
namespace {

constexpr size_t kMaxQuotedName = 200;
constexpr int64_t kMaxId = 0xfffffffe;  // -1 means "leave as it is" to chown(2)
// Of one entry: long names, pax records and, the only thing that may be long, where the data of a
// sparse file lies. libarchive takes some 20 times the bytes of such a list.
constexpr uint64_t kMaxHeaderBytes = 4U << 20;
constexpr int64_t kBlockBytes = 512;

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string Reason(archive* a) {
  const char* reason = archive_error_string(a);
  return reason == nullptr ? "unknown reason" : reason;
}

// In the C locale libarchive leaves names as the bytes they are; in a UTF-8 locale it would change
// those of pax headers to normal form C.
class ScopedCLocale {
 public:
  ScopedCLocale() : ours_(::newlocale(LC_ALL_MASK, "C", nullptr)), old_(::uselocale(ours_)) {}
  ScopedCLocale(const ScopedCLocale&) = delete;
  ~ScopedCLocale() {
    ::uselocale(old_);
    ::freelocale(ours_);
  }

 private:
  locale_t ours_;
  locale_t old_;
};

// A warning means that libarchive went on with an entry it understood in part. The one that is
// harmless is the C locale's: the name is kept as it is.
bool IsHarmlessWarning(archive* a) {
  return std::string_view(Reason(a)).ends_with("to current locale.");
}

Result<uint32_t> DeviceNumber(const archive_entry* from) {
  auto* entry = const_cast<archive_entry*>(from);
  const uint64_t major = archive_entry_rdevmajor(entry);
  const uint64_t minor = archive_entry_rdevminor(entry);
  if (major > 0xfff || minor > 0xfffff) return Invalid("its device number is out of range");
  return static_cast<uint32_t>((minor & 0xff) | major << 8 | (minor & ~uint64_t{0xff}) << 12);
}

Result<uint32_t> Id(int64_t id, const char* which) {
  if (id < 0 || id > kMaxId) return Invalid(std::string("its ") + which + " is out of range");
  return static_cast<uint32_t>(id);
}

void CopyXattrs(archive_entry* from, TarEntry& to) {
  archive_entry_xattr_reset(from);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    if (name == nullptr || !IsLinuxXattr(name)) {
      ++to.ignored_xattrs;
      continue;
    }
    to.xattrs[name] =
        size == 0 ? std::string() : std::string(static_cast<const char*>(value), size);
  }
}

std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }

Result<TarEntry> Convert(archive_entry* from, std::string path) {
  const int64_t size = archive_entry_size(from);
  if (size < 0) return Invalid("its size is negative");
  TarEntry entry{.path = std::move(path),
                 .hard_link_to = {},
                 .symlink_target = Text(archive_entry_symlink(from)),
                 .mode = static_cast<uint16_t>(archive_entry_mode(from)),
                 .uid = 0,
                 .gid = 0,
                 .mtime = archive_entry_mtime(from),
                 .mtime_nsec = static_cast<uint32_t>(archive_entry_mtime_nsec(from)),
                 .rdev = 0,
                 .size = static_cast<uint64_t>(size),
                 .xattrs = {},
                 .ignored_xattrs = 0};
  if (const char* target = archive_entry_hardlink(from); target != nullptr) {
    entry.hard_link_to = target;
    return entry;
  }
  LOCKET_TRY_ASSIGN(entry.uid, Id(archive_entry_uid(from), "uid"));
  LOCKET_TRY_ASSIGN(entry.gid, Id(archive_entry_gid(from), "gid"));
  if (entry.mtime_nsec > 999'999'999) return Invalid("its modification time is malformed");
  // libarchive 3.6 takes the sign for the seconds' alone: of "-1.5" it makes half a second before
  // 1970.
  if (entry.mtime < 0 && entry.mtime_nsec > 0) {
    --entry.mtime;
    entry.mtime_nsec = 1'000'000'000 - entry.mtime_nsec;
  }
  if (S_ISCHR(entry.mode) || S_ISBLK(entry.mode)) {
    LOCKET_TRY_ASSIGN(entry.rdev, DeviceNumber(from));
  }
  CopyXattrs(from, entry);
  return entry;
}

}  // namespace

std::string QuotedName(std::string_view name) {
  std::string quoted = "'";
  for (const char c : name.substr(0, kMaxQuotedName)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '\\' || c == '\'') {
      quoted.append("\\x").append(HexEncode(AsBytes({&c, 1})));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted.append(name.size() > kMaxQuotedName ? "...'" : "'");
}

struct TarReader::State {
  PieceSource source;
  std::optional<Error> failure{};  // of the source; stops everything
  bool ended = false;
  std::span<const std::byte> first{};  // a piece that libarchive has not been given yet
  uint64_t given = 0;                  // bytes of all pieces
  std::optional<uint64_t> header{};    // while a header is read: where in these bytes it began
  ArchivePtr tar{archive_read_new()};
  uint64_t num_entries = 0;
  bool lone_end = false;  // the archive ended with one block of zeros

  // The next piece of the tar; empty at its end.
  Result<std::span<const std::byte>> NextPiece();
  // The same, for libarchive.
  Result<std::span<const std::byte>> TakePiece();
  int NextHeader(archive_entry** entry);
  Error Failed(const std::string& what) const;
};

Error TarReader::State::Failed(const std::string& what) const {
  if (failure.has_value()) return *failure;
  return Invalid(what + ": " + Reason(tar.get()));
}

Result<std::span<const std::byte>> TarReader::State::NextPiece() {
  if (failure.has_value()) return *failure;
  if (ended) return std::span<const std::byte>{};
  auto piece = source();
  if (!piece.ok()) {
    failure = piece.error();
  } else {
    ended = piece->empty();
    given += piece->size();
  }
  return piece;
}

Result<std::span<const std::byte>> TarReader::State::TakePiece() {
  if (!first.empty()) return std::exchange(first, {});
  if (header && given - *header > kMaxHeaderBytes) {
    failure = Error(ErrorCode::kResourceExhausted, "entry " + std::to_string(num_entries) +
                                                       ": its headers are longer than " +
                                                       std::to_string(kMaxHeaderBytes) + " bytes");
  }
  return NextPiece();
}

int TarReader::State::NextHeader(archive_entry** entry) {
  // What is left of the entry before is no header.
  if (num_entries > 0 && archive_read_data_skip(tar.get()) == ARCHIVE_FATAL) return ARCHIVE_FATAL;
  ++num_entries;
  header = given;
  const int got = archive_read_next_header(tar.get(), entry);
  header.reset();
  if (got == ARCHIVE_EOF) {
    const int64_t end = archive_filter_bytes(tar.get(), -1);
    lone_end = end - archive_read_header_position(tar.get()) == kBlockBytes;
  }
  return got;
}

TarReader::TarReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::Open(PieceSource source) {
  const ScopedCLocale c_locale;
  auto state = std::make_unique<State>(State{.source = std::move(source)});
  LOCKET_TRY_ASSIGN(state->first, state->NextPiece());
  // As for Docker and containerd a stream of no bytes is a layer without entries.
  if (state->ended) return TarReader(std::move(state));
  archive* tar = state->tar.get();
  archive_read_support_format_tar(tar);
  const auto read_tar = [](archive*, void* data, const void** bytes) -> la_ssize_t {
    const auto piece = static_cast<State*>(data)->TakePiece();
    if (!piece.ok()) return -1;
    *bytes = piece->data();
    return static_cast<la_ssize_t>(piece->size());
  };
  if (archive_read_open(tar, state.get(), nullptr, read_tar, nullptr) != ARCHIVE_OK) {
    return state->Failed("not a layer (tar, plain or in gzip or zstd)");
  }
  return TarReader(std::move(state));
}

Result<std::optional<TarEntry>> TarReader::Next() {
  const ScopedCLocale c_locale;
  if (state_->ended && state_->given == 0) return std::optional<TarEntry>();
  archive* tar = state_->tar.get();
  const auto number = [&] { return "entry " + std::to_string(state_->num_entries); };
  archive_entry* entry = nullptr;
  const int got = state_->NextHeader(&entry);
  if (got == ARCHIVE_EOF) return std::optional<TarEntry>();
  if (got != ARCHIVE_OK && !(got == ARCHIVE_WARN && IsHarmlessWarning(tar))) {
    return state_->Failed(number());
  }
  const char* path = archive_entry_pathname(entry);
  if (path == nullptr || *path == '\0') return Invalid(number() + ": it has no name");
  auto converted = Convert(entry, path);
  if (!converted.ok()) return std::move(converted).error().While("entry " + QuotedName(path));
  return std::optional(*std::move(converted));
}

Status TarReader::ReadData(
    const std::function<Status(uint64_t offset, std::span<const std::byte>)>& piece) {
  archive* tar = state_->tar.get();
  while (true) {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int got = archive_read_data_block(tar, &bytes, &size, &offset);
    if (got == ARCHIVE_EOF) return Ok();
    if (got != ARCHIVE_OK) return state_->Failed("its data");
    if (size == 0) continue;
    LOCKET_TRY(piece(static_cast<uint64_t>(offset), {static_cast<const std::byte*>(bytes), size}));
  }
}

Status TarReader::Drain() {
  // libarchive may hold back a piece it has been given; that one has been seen already.
  while (!state_->ended) LOCKET_TRY(state_->NextPiece());
  // Go's reader, and with it containerd, refuses it; others take it for the end, so that one tar
  // would be two layers.
  const auto end = static_cast<uint64_t>(archive_filter_bytes(state_->tar.get(), -1));
  if (!state_->lone_end || state_->given == end) return Ok();
  return Invalid("after entry " + std::to_string(state_->num_entries - 1) +
                 ": one block of zeros, where two end a tar, and more behind it");
}

}  // namespace locket::erofs
