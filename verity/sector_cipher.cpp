#include "verity/sector_cipher.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/endian.h"

namespace locket::verity {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

enum class Direction { kDecrypt = 0, kEncrypt = 1 };

unsigned char* Raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

Result<ContextPtr> NewContext(const Secret& key, Direction direction) {
  ContextPtr context(EVP_CIPHER_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.Reveal().data());
  if (context == nullptr || EVP_CipherInit_ex(context.get(), EVP_aes_256_xts(), nullptr, bytes,
                                              nullptr, static_cast<int>(direction)) != 1) {
    // XTS with two equal keys is broken; OpenSSL refuses it.
    return Error(ErrorCode::kInvalidArgument, "layer key: its two halves must differ");
  }
  return context;
}

Status Run(EVP_CIPHER_CTX* context, uint64_t sector, std::span<std::byte> sectors) {
  assert(sectors.size() % kBlockSize == 0);
  for (; !sectors.empty(); sectors = sectors.subspan(kBlockSize), ++sector) {
    std::array<std::byte, 16> iv{};  // plain64
    std::ranges::copy(ToLittleEndian(sector), iv.begin());
    int written = 0;
    if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, Raw(iv.data()), -1) != 1 ||
        EVP_CipherUpdate(context, Raw(sectors.data()), &written, Raw(sectors.data()),
                         static_cast<int>(kBlockSize)) != 1) {
      return Error(ErrorCode::kInternal, "AES-XTS failed on sector " + std::to_string(sector));
    }
  }
  return Ok();
}

}  // namespace

Result<Secret> GenerateLayerKey() {
  Secret key(kLayerKeyBytes);
  if (RAND_priv_bytes(Raw(key.Reveal().data()), static_cast<int>(kLayerKeyBytes)) != 1) {
    return Error(ErrorCode::kInternal, "no random bytes for a layer key");
  }
  return key;
}

Result<Salt> RandomSalt() {
  Salt salt;
  if (RAND_bytes(Raw(salt.data()), static_cast<int>(salt.size())) != 1) {
    return Error(ErrorCode::kInternal, "no random bytes for a salt");
  }
  return salt;
}

struct SectorCipher::Contexts {
  ContextPtr encrypt;
  ContextPtr decrypt;
};

SectorCipher::SectorCipher(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
SectorCipher::SectorCipher(SectorCipher&&) noexcept = default;
SectorCipher::~SectorCipher() = default;

Result<SectorCipher> SectorCipher::Create(const Secret& key) {
  if (key.Reveal().size() != kLayerKeyBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 "layer key: " + std::to_string(key.Reveal().size()) + " bytes long, must be 64");
  }
  LOCKET_TRY_ASSIGN(ContextPtr encrypt, NewContext(key, Direction::kEncrypt));
  LOCKET_TRY_ASSIGN(ContextPtr decrypt, NewContext(key, Direction::kDecrypt));
  return SectorCipher(std::make_unique<Contexts>(Contexts{std::move(encrypt), std::move(decrypt)}));
}

Status SectorCipher::Encrypt(uint64_t first_sector, std::span<std::byte> sectors) {
  return Run(contexts_->encrypt.get(), first_sector, sectors);
}

Status SectorCipher::Decrypt(uint64_t first_sector, std::span<std::byte> sectors) {
  return Run(contexts_->decrypt.get(), first_sector, sectors);
}

}  // namespace locket::verity
