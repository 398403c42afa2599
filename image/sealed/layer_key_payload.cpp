#include "image/sealed/layer_key_payload.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/encoding.h"

namespace locket::image {
namespace {

constexpr std::string_view kCipher = "aes-xts-plain64";
constexpr std::string_view kSectorSize = "4096";
constexpr std::string_view kVersion = "1";

// Text that is wiped; for the base64 of a key on its way.
class WipedText {
 public:
  explicit WipedText(std::string text) : text_(std::move(text)) {}
  WipedText(const WipedText&) = delete;
  ~WipedText() { ::explicit_bzero(text_.data(), text_.size()); }
  std::string_view view() const { return text_; }

 private:
  std::string text_;
};

Error Bad(std::string_view what) {
  return Error(ErrorCode::kInvalidArgument, "key packet payload: " + std::string(what));
}

// A flat JSON object of numbers and of text without escapes, as views into the payload.
struct Value {
  bool is_text;
  std::string_view content;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  Result<std::map<std::string_view, Value>> Object() {
    std::map<std::string_view, Value> fields;
    if (!Take('{')) return Bad("not a JSON object");
    do {
      const auto name = Text();
      if (!name || !Take(':')) return Bad("malformed");
      const auto value = Next();
      if (!value) return Bad("malformed");
      if (!fields.emplace(*name, *value).second) return Bad("a name stands twice");
    } while (Take(','));
    if (!Take('}')) return Bad("malformed");
    SkipSpace();
    if (!rest_.empty()) return Bad("something stands after its end");
    return fields;
  }

 private:
  void SkipSpace() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }
  bool Take(char c) {
    SkipSpace();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::string_view> Text() {
    if (!Take('"')) return {};
    const size_t end = rest_.find('"');
    if (end == std::string_view::npos) return {};
    const auto text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (text.find('\\') != std::string_view::npos) return {};
    return text;
  }
  std::optional<Value> Next() {
    SkipSpace();
    if (rest_.starts_with('"')) {
      const auto text = Text();
      if (!text) return {};
      return Value{.is_text = true, .content = *text};
    }
    const size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (end == 0) return {};
    const auto number = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return Value{.is_text = false, .content = number};
  }

  std::string_view rest_;
};

class Fields {
 public:
  explicit Fields(std::map<std::string_view, Value> fields) : fields_(std::move(fields)) {}

  Result<std::string_view> Take(std::string_view name, bool is_text) {
    const auto found = fields_.find(name);
    if (found == fields_.end()) return Bad("'" + std::string(name) + "' is missing");
    if (found->second.is_text != is_text) {
      return Bad("'" + std::string(name) + "' is not of the right type");
    }
    const auto content = found->second.content;
    fields_.erase(found);
    return content;
  }
  Status Expect(std::string_view name, bool is_text, std::string_view expected) {
    LOCKET_TRY_ASSIGN(const auto content, Take(name, is_text));
    if (content == expected) return Ok();
    return Bad("'" + std::string(name) + "' is not '" + std::string(expected) + "'");
  }
  Result<std::array<std::byte, 32>> TakeHash(std::string_view name) {
    LOCKET_TRY_ASSIGN(const auto text, Take(name, /*is_text=*/true));
    std::array<std::byte, 32> hash{};
    const auto bytes = HexDecode(text);
    if (!bytes.ok() || bytes->size() != hash.size()) {
      return Bad("'" + std::string(name) + "' is not 64 hex digits");
    }
    std::ranges::copy(*bytes, hash.begin());
    return hash;
  }
  bool empty() const { return fields_.empty(); }

 private:
  std::map<std::string_view, Value> fields_;
};

Result<Secret> DecodeKey(std::string_view base64) {
  // The size first, so that an odd one never becomes a buffer.
  if (base64.size() != (kLayerKeyBytes + 2) / 3 * 4) return Bad("'key' is not 64 bytes");
  auto bytes = Base64Decode(base64);
  if (!bytes.ok() || bytes->size() != kLayerKeyBytes) return Bad("'key' is not 64 bytes in base64");
  Secret key(kLayerKeyBytes);
  std::ranges::copy(*bytes, key.Reveal().begin());
  ::explicit_bzero(bytes->data(), bytes->size());
  return key;
}

}  // namespace

Secret EncodeLayerKeyPayload(const LayerKey& key) {
  const WipedText base64(Base64Encode(key.key.Reveal()));
  const std::string head = R"({"version":1,"cipher":"aes-xts-plain64","sector_size":4096,"key":")";
  const std::string tail = R"(","root_hash":")" + HexEncode(key.identity.root_hash) +
                           R"(","salt":")" + HexEncode(key.identity.salt) + R"(","data_size":)" +
                           std::to_string(key.identity.data_size) + "}";
  Secret payload(head.size() + base64.view().size() + tail.size());
  auto* out = reinterpret_cast<char*>(payload.Reveal().data());
  out = std::ranges::copy(head, out).out;
  out = std::ranges::copy(base64.view(), out).out;
  std::ranges::copy(tail, out);
  return payload;
}

Result<LayerKey> DecodeLayerKeyPayload(const Secret& payload) {
  LOCKET_TRY_ASSIGN(auto object, Scanner(AsText(payload.Reveal())).Object());
  Fields fields(std::move(object));
  LOCKET_TRY(fields.Expect("version", /*is_text=*/false, kVersion));
  LOCKET_TRY(fields.Expect("cipher", /*is_text=*/true, kCipher));
  LOCKET_TRY(fields.Expect("sector_size", /*is_text=*/false, kSectorSize));
  LOCKET_TRY_ASSIGN(const auto key_text, fields.Take("key", /*is_text=*/true));
  LOCKET_TRY_ASSIGN(Secret key, DecodeKey(key_text));
  LOCKET_TRY_ASSIGN(const auto root_hash, fields.TakeHash("root_hash"));
  LOCKET_TRY_ASSIGN(const auto salt, fields.TakeHash("salt"));
  LOCKET_TRY_ASSIGN(const auto size_text, fields.Take("data_size", /*is_text=*/false));
  uint64_t data_size = 0;
  const auto [end, error] =
      std::from_chars(size_text.data(), size_text.data() + size_text.size(), data_size);
  if (error != std::errc() || !verity::LayoutFor(data_size).ok()) {
    return Bad("'data_size' is out of range");
  }
  if (!fields.empty()) return Bad("a field is unknown");
  return LayerKey{.key = std::move(key),
                  .identity = {.root_hash = root_hash, .salt = salt, .data_size = data_size}};
}

}  // namespace locket::image
