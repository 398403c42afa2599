#include "snapshotter/store/record_codec.h"

#include <cstdint>

#include "base/encoding.h"
#include "base/endian.h"

namespace locket::snapshotter {
namespace {

constexpr uint8_t kFormat = 2;
constexpr uint8_t kHasUsage = 1;
constexpr uint8_t kHasImage = 2;
constexpr uint8_t kHasLayer = 4;
constexpr uint8_t kImageKnown = 8;
constexpr uint32_t kMaxLabels = 4096;

template <typename Unsigned>
void Put(std::string& out, Unsigned value) {
  out += AsText(ToLittleEndian(value));
}

void PutText(std::string& out, std::string_view text) {
  Put(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

// Takes from the front and remembers the first time there was too little, after which it yields
// zeros and empty strings: one check at the end instead of one a field.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Unsigned>
  Unsigned Take() {
    if (rest_.size() < sizeof(Unsigned)) return Fail<Unsigned>();
    const auto value = FromLittleEndian<Unsigned>(AsBytes(rest_));
    rest_.remove_prefix(sizeof(Unsigned));
    return value;
  }

  std::string TakeText() {
    const auto size = Take<uint32_t>();
    if (size > rest_.size()) return Fail<std::string>();
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }

 private:
  template <typename T>
  T Fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

Error Damaged(std::string_view why) {
  return {ErrorCode::kDataLoss, std::string("snapshot record: ").append(why)};
}

Status TakeLabels(Reader& in, Labels& labels) {
  const auto count = in.Take<uint32_t>();
  if (count > kMaxLabels) return Damaged("too many labels");
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    std::string key = in.TakeText();
    if (!labels.empty() && key <= labels.rbegin()->first) return Damaged("labels out of order");
    labels.emplace_hint(labels.end(), std::move(key), in.TakeText());
  }
  return Ok();
}

}  // namespace

std::string EncodeSnapshot(const Snapshot& snapshot) {
  std::string out;
  Put(out, kFormat);
  Put(out, snapshot.id);
  Put(out, static_cast<uint8_t>(snapshot.kind));
  PutText(out, snapshot.name);
  PutText(out, snapshot.parent);
  Put(out, static_cast<uint64_t>(snapshot.created_ns));
  Put(out, static_cast<uint64_t>(snapshot.updated_ns));
  Put(out, static_cast<uint32_t>(snapshot.labels.size()));
  for (const auto& [key, value] : snapshot.labels) {
    PutText(out, key);
    PutText(out, value);
  }
  Put(out, static_cast<uint8_t>(
               (snapshot.usage ? kHasUsage : 0) | (snapshot.image ? kHasImage : 0) |
               (snapshot.layer ? kHasLayer : 0) | (snapshot.image_known ? kImageKnown : 0)));
  if (snapshot.usage) {
    Put(out, snapshot.usage->size_bytes);
    Put(out, snapshot.usage->inodes);
  }
  if (snapshot.image) {
    PutText(out, snapshot.image->reference);
    PutText(out, snapshot.image->manifest_digest);
    PutText(out, snapshot.image->config_digest);
  }
  if (snapshot.layer) {
    PutText(out, snapshot.layer->digest);
    Put(out, snapshot.layer->size_bytes);
    PutText(out, snapshot.layer->media_type);
  }
  return out;
}

Result<Snapshot> DecodeSnapshot(std::string_view bytes) {
  Reader in(bytes);
  if (in.Take<uint8_t>() != kFormat) return Damaged("unknown format");
  const auto id = in.Take<uint64_t>();
  const auto kind = in.Take<uint8_t>();
  if (in.ok() && (kind < 1 || kind > 3)) return Damaged("unknown kind");
  Snapshot snapshot{.id = id,
                    .kind = static_cast<Kind>(kind),
                    .name = in.TakeText(),
                    .parent = in.TakeText(),
                    .created_ns = static_cast<int64_t>(in.Take<uint64_t>()),
                    .updated_ns = static_cast<int64_t>(in.Take<uint64_t>())};
  LOCKET_TRY(TakeLabels(in, snapshot.labels));
  const auto present = in.Take<uint8_t>();
  if (present > (kHasUsage | kHasImage | kHasLayer | kImageKnown)) return Damaged("unknown parts");
  snapshot.image_known = (present & kImageKnown) != 0;
  if (snapshot.image_known && (present & kHasImage) == 0) return Damaged("a known image is none");
  if ((present & kHasUsage) != 0) {
    snapshot.usage = Usage{.size_bytes = in.Take<uint64_t>(), .inodes = in.Take<uint64_t>()};
  }
  if ((present & kHasImage) != 0) {
    snapshot.image = ImageSource{.reference = in.TakeText(),
                                 .manifest_digest = in.TakeText(),
                                 .config_digest = in.TakeText()};
  }
  if ((present & kHasLayer) != 0) {
    snapshot.layer = SealedBlob{
        .digest = in.TakeText(), .size_bytes = in.Take<uint64_t>(), .media_type = in.TakeText()};
  }
  if (!in.ok()) return Damaged("ends too early");
  if (!in.empty()) return Damaged("bytes after its end");
  return snapshot;
}

}  // namespace locket::snapshotter
