// The crypto of key_packet.h: AES-256-GCM through OpenSSL.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "image/sealed/key_packet.h"
#include "image/sealed/layer_key_payload.h"

namespace locket::image {
namespace {

constexpr size_t kTagBytes = 16;

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

const unsigned char* Raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* RawOut(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

Error CryptoError(const char* doing) {
  ERR_clear_error();
  return Error(ErrorCode::kInternal, std::string(doing) + ": OpenSSL failed");
}

Status CheckKek(const Secret& kek) {
  if (kek.Reveal().size() == kKekBytes) return Ok();
  return Error(ErrorCode::kInvalidArgument,
               "the key encryption key has " + std::to_string(kek.Reveal().size()) +
                   " bytes, not 32; make one with: head -c 32 /dev/urandom");
}

// One text for whatever is wrong with a key: the guest tells its host, who shall not learn from it
// how long a resource of the broker is.
Error WrongKey() {
  return {ErrorCode::kDataLoss,
          "unwrap layer key: authentication failed: the broker's key is another one, or the packet "
          "was changed"};
}

Result<std::vector<std::byte>> Seal(const Secret& kek, std::span<const std::byte> iv,
                                    std::span<const std::byte> plain) {
  std::vector<std::byte> sealed(plain.size() + kTagBytes);
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  int last = 0;
  const bool done = context != nullptr &&
                    EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Raw(kek.Reveal()),
                                       Raw(iv)) == 1 &&
                    EVP_EncryptUpdate(context.get(), RawOut(sealed), &written, Raw(plain),
                                      static_cast<int>(plain.size())) == 1 &&
                    EVP_EncryptFinal_ex(context.get(), RawOut(sealed) + written, &last) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                        sealed.data() + plain.size()) == 1;
  if (!done) return CryptoError("wrap layer key");
  return sealed;
}

Result<Secret> Open(const Secret& kek, std::span<const std::byte> iv,
                    std::span<const std::byte> sealed) {
  const auto cipher_text = sealed.first(sealed.size() - kTagBytes);
  std::array<std::byte, kTagBytes> tag{};
  std::ranges::copy(sealed.last(kTagBytes), tag.begin());
  Secret plain(cipher_text.size());
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  int last = 0;
  const bool ready =
      context != nullptr &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Raw(kek.Reveal()), Raw(iv)) ==
          1 &&
      EVP_DecryptUpdate(context.get(), RawOut(plain.Reveal()), &written, Raw(cipher_text),
                        static_cast<int>(cipher_text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1;
  if (!ready) return CryptoError("unwrap layer key");
  if (EVP_DecryptFinal_ex(context.get(), RawOut(plain.Reveal()) + written, &last) != 1) {
    ERR_clear_error();
    return WrongKey();
  }
  return plain;
}

}  // namespace

Result<KeyPacket> WrapLayerKey(const Secret& kek, const ResourceName& kid, const LayerKey& key) {
  LOCKET_TRY(CheckKek(kek));
  LOCKET_TRY(ResourceName::FromUri(kid.ToUri()));
  if (key.key.Reveal().size() != kLayerKeyBytes) {
    return Error(ErrorCode::kInvalidArgument, "wrap layer key: the layer key is not 64 bytes");
  }
  LOCKET_TRY(verity::LayoutFor(key.identity.data_size).While("wrap layer key"));
  KeyPacket packet{.kid = kid, .iv = {}, .wrapped_data = {}};
  if (RAND_bytes(RawOut(packet.iv), static_cast<int>(packet.iv.size())) != 1) {
    return CryptoError("wrap layer key: random nonce");
  }
  const Secret payload = EncodeLayerKeyPayload(key);
  LOCKET_TRY_ASSIGN(packet.wrapped_data, Seal(kek, packet.iv, payload.Reveal()));
  return packet;
}

Result<LayerKey> UnwrapLayerKey(const Secret& kek, const KeyPacket& packet) {
  if (kek.Reveal().size() != kKekBytes) return WrongKey();
  if (packet.wrapped_data.size() <= kTagBytes || packet.wrapped_data.size() > kMaxKeyPacketBytes) {
    return Error(ErrorCode::kInvalidArgument, "unwrap layer key: the packet's size is impossible");
  }
  LOCKET_TRY_ASSIGN(const Secret payload, Open(kek, packet.iv, packet.wrapped_data));
  return DecodeLayerKeyPayload(payload);
}

Result<Secret> UnwrapLayerKeyFor(const Secret& kek, const KeyPacket& packet,
                                 const verity::LayerIdentity& layer) {
  LOCKET_TRY_ASSIGN(LayerKey key, UnwrapLayerKey(kek, packet));
  const char* other = nullptr;
  if (key.identity.root_hash != layer.root_hash) other = "root hash";
  if (key.identity.salt != layer.salt) other = "salt";
  if (key.identity.data_size != layer.data_size) other = "data size";
  if (other == nullptr) return std::move(key.key);
  return Error(ErrorCode::kPermissionDenied,
               std::string("key packet belongs to another layer: its ") + other + " differs");
}

}  // namespace locket::image
