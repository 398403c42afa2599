#include "erofs/tar_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "erofs/tar_entry.h"

namespace locket::erofs {
namespace {

constexpr size_t kMaxQuotedName = 200;
// Of one entry: long names, pax records and the map of a sparse file.
constexpr uint64_t kMaxHeaderBytes = 4U << 20;

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// Links, devices and directories have no body, whatever their size field says.
bool HasBody(char type) { return type < '1' || type > '6'; }

bool IsExtension(char type) { return type == 'x' || type == 'g' || type == 'L' || type == 'K'; }

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

Error TarReader::Numbered(Error error) const {
  if (tar_.source_failed()) return error;
  if (!is_tar_) return std::move(error).While("not a layer (tar, plain or in gzip or zstd)");
  return std::move(error).While("entry " + std::to_string(num_entries_));
}

Status TarReader::SkipRest() {
  LOCKET_TRY(tar_.Skip(std::exchange(body_left_, 0)));
  return tar_.SkipPadding(std::exchange(padding_, 0));
}

Result<std::optional<TarHeader>> TarReader::NextHeader() {
  LOCKET_TRY_ASSIGN(const bool got, tar_.ReadBlock(block_));
  if (!got || IsZeroBlock(block_)) is_tar_ = true;
  if (!got) return std::optional<TarHeader>();
  if (IsZeroBlock(block_)) {
    LOCKET_TRY_ASSIGN(const bool second, tar_.ReadBlock(block_));
    lone_zero_block_ = second && !IsZeroBlock(block_);
    return std::optional<TarHeader>();
  }
  header_bytes_ += kTarBlockBytes;
  LOCKET_TRY_ASSIGN(TarHeader header, DecodeTarHeader(block_));
  is_tar_ = true;
  if (header.size < 0) return Invalid("its size is negative");
  return std::optional(std::move(header));
}

Result<std::string> TarReader::ReadBody(const TarHeader& header) {
  const auto size = static_cast<uint64_t>(header.size);
  if (size > kMaxHeaderBytes - std::min(header_bytes_, kMaxHeaderBytes)) {
    return Error(ErrorCode::kResourceExhausted,
                 "its headers are longer than " + std::to_string(kMaxHeaderBytes) + " bytes");
  }
  header_bytes_ += size;
  std::string body;
  LOCKET_TRY(tar_.Append(size, body));
  LOCKET_TRY(tar_.SkipPadding(PaddingOf(size)));
  return body;
}

Status TarReader::ReadExtension(const TarHeader& header, Extension& extension) {
  LOCKET_TRY_ASSIGN(std::string body, ReadBody(header));
  if (header.type == 'L' || header.type == 'K') {
    body.resize(std::min(body.find('\0'), body.size()));
    (header.type == 'L' ? extension.gnu_name : extension.gnu_link) = std::move(body);
    extension.any = true;
    return Ok();
  }
  LOCKET_TRY_ASSIGN(PaxRecords records, PaxRecords::Parse(body));
  if (header.type == 'x') {
    extension.pax = std::move(records);
    extension.any = true;
    return Ok();
  }
  // What a global header says of the entries after it, containerd ignores; git writes a comment.
  if (!extension.any) return Ok();
  return Invalid("a global pax header stands between it and the headers before it");
}

Result<std::optional<TarHeader>> TarReader::NextEntryHeader(Extension& extension) {
  while (true) {
    LOCKET_TRY_ASSIGN(auto header, NextHeader());
    if (!header.has_value()) {
      if (extension.any) return Invalid("the tar ends behind its extended header");
      return std::optional<TarHeader>();
    }
    if (!IsExtension(header->type)) return header;
    LOCKET_TRY(ReadExtension(*header, extension));
  }
}

// What the extended headers say holds, as far as they say it.
Status TarReader::Extend(const Extension& extension, TarHeader& header) {
  if (extension.pax) {
    const PaxRecords& pax = *extension.pax;
    if (const auto path = pax.Find("path")) header.name = std::string(*path);
    if (const auto link = pax.Find("linkpath")) header.link = std::string(*link);
    for (auto [key, field] : {std::pair{"size", &header.size}, std::pair{"uid", &header.uid},
                              std::pair{"gid", &header.gid}}) {
      LOCKET_TRY_ASSIGN(const auto number, pax.FindNumber(key));
      *field = number.value_or(*field);
    }
    if (header.size < 0) return Invalid("its size is negative");
  }
  if (!extension.gnu_name.empty()) header.name = extension.gnu_name;
  if (!extension.gnu_link.empty()) header.link = extension.gnu_link;
  return Ok();
}

// How long the entry's body is, and which parts of the file lie there.
Status TarReader::FindData(const Extension& extension, TarHeader& header) {
  body_left_ = HasBody(header.type) ? static_cast<uint64_t>(header.size) : 0;
  padding_ = PaddingOf(body_left_);
  const uint64_t room = kMaxHeaderBytes - std::min(header_bytes_, kMaxHeaderBytes);
  std::optional<SparseFile> sparse;
  if (header.type == 'S') {
    if (header.format != TarFormat::kGnu) return Invalid("a sparse file of an unknown format");
    LOCKET_TRY_ASSIGN(sparse, ReadOldSparseMap(tar_, block_, room));
    header.type = '0';
  } else if (extension.pax) {
    LOCKET_TRY_ASSIGN(sparse,
                      ReadPaxSparseMap(tar_, *extension.pax, static_cast<uint64_t>(header.size),
                                       body_left_, room));
  }
  if (!sparse) {
    pieces_ = {{.offset = 0, .size = body_left_}};
    return Ok();
  }
  if (!HasBody(header.type)) return Invalid("it is sparse, and not a regular file");
  if (sparse->name) header.name = *std::move(sparse->name);
  header.size = static_cast<int64_t>(sparse->size);
  body_left_ -= sparse->map_bytes;
  uint64_t data = 0;
  for (const SparsePiece& piece : sparse->pieces) data += piece.size;
  if (data != body_left_) return Invalid("its data is not as long as the map of it says");
  pieces_ = std::move(sparse->pieces);
  std::ranges::reverse(pieces_);
  return Ok();
}

Result<std::optional<TarEntry>> TarReader::ReadEntry() {
  LOCKET_TRY(SkipRest());
  ++num_entries_;
  header_bytes_ = 0;
  Extension extension;
  LOCKET_TRY_ASSIGN(auto header, NextEntryHeader(extension));
  if (!header.has_value()) {
    at_end_ = true;
    return std::optional<TarEntry>();
  }
  LOCKET_TRY(Extend(extension, *header));
  // Before POSIX a slash at the end was what made a directory.
  if (header->type == '\0') header->type = header->name.ends_with('/') ? '5' : '0';
  LOCKET_TRY(FindData(extension, *header));
  if (header->name.empty()) return Invalid("it has no name");
  auto entry = MakeTarEntry(*header, extension.pax ? &*extension.pax : nullptr);
  if (!entry.ok()) return std::move(entry).error().While(QuotedName(header->name));
  return std::optional(*std::move(entry));
}

Result<std::optional<TarEntry>> TarReader::Next() {
  if (at_end_) return std::optional<TarEntry>();
  auto entry = ReadEntry();
  if (!entry.ok()) return Numbered(std::move(entry).error());
  return entry;
}

Status TarReader::ReadData(
    const std::function<Status(uint64_t offset, std::span<const std::byte>)>& piece) {
  for (; !pieces_.empty(); pieces_.pop_back()) {
    SparsePiece& next = pieces_.back();
    while (next.size > 0) {
      LOCKET_TRY_ASSIGN(const auto part, tar_.Take(next.size));
      if (part.empty()) return Invalid("its data: the tar ends in the middle of it");
      body_left_ -= part.size();
      LOCKET_TRY(piece(next.offset, part));
      next.offset += part.size();
      next.size -= part.size();
    }
  }
  return Ok();
}

Status TarReader::Drain() {
  // Go's reader, and with it containerd, refuses it; others take it for the end, so that one tar
  // would be two layers.
  if (lone_zero_block_) {
    return Invalid("after entry " + std::to_string(num_entries_ - 1) +
                   ": one block of zeros, where two end a tar, and more behind it");
  }
  return tar_.Drain();
}

}  // namespace locket::erofs
