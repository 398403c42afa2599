#!/usr/bin/env python3
"""model.py make SEAL_LAYER | check: docs/formats/{sealed-layer,key-packet}.md once more, in Python, sharing no code
with locket. `make` (SEAL_LAYER is bench's seal-layer) writes encrypted.blob, encrypted.json, compressed.blob and
compressed.json; `check` computes everything in this directory again and fails if anything differs. Keys here are
public: they protect nothing."""
import base64
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).parent
BLOCK = 4096
KEY = bytes(range(64))
KEK = bytes(range(100, 132))
SALT = bytes(range(200, 232))
NONCE = bytes(range(12))
KID = "kbs:///vectors/key/files"


def sha256(data):
    return hashlib.sha256(data).digest()


def digest(data):
    return "sha256:" + sha256(data).hex()


def labelled(label, value):
    return sha256(label.encode() + b"\0" + value)


def uuid(data):
    value = bytearray(data[:16])
    value[6] = value[6] & 0x0f | 0x50
    value[8] = value[8] & 0x3f | 0x80
    return bytes(value)


def superblock(salt, blocks):
    return (b"verity\0\0" + (1).to_bytes(4, "little") * 2 + uuid(labelled("locket.verity.uuid.v1", salt))
            + b"sha256".ljust(32, b"\0") + BLOCK.to_bytes(4, "little") * 2 + blocks.to_bytes(8, "little")
            + len(salt).to_bytes(2, "little") + bytes(6) + salt).ljust(BLOCK, b"\0")


def tree(salt, data):
    """The levels, top first, and the root hash."""
    levels = b""
    while True:
        hashes = b"".join(sha256(salt + data[at:at + BLOCK]) for at in range(0, len(data), BLOCK))
        if len(hashes) == 32:
            return levels, hashes
        data = hashes + bytes(-len(hashes) % BLOCK)
        levels = data + levels


def sealed(salt, data):
    """The whole blob and its root hash."""
    levels, root = tree(salt, data)
    return data + superblock(salt, len(data) // BLOCK) + levels, root


def crypt(data, encrypt):
    result = b""
    for sector in range(len(data) // BLOCK):
        cipher = Cipher(algorithms.AES(KEY), modes.XTS(sector.to_bytes(16, "little")))
        worker = cipher.encryptor() if encrypt else cipher.decryptor()
        result += worker.update(data[sector * BLOCK:(sector + 1) * BLOCK]) + worker.finalize()
    return result


def annotation(root, data_size):
    payload = json.dumps({"version": 1, "cipher": "aes-xts-plain64", "sector_size": BLOCK,
                          "key": base64.b64encode(KEY).decode(),
                          "root_hash": root.hex(), "salt": SALT.hex(), "data_size": data_size}, separators=(",", ":"))
    packet = {"version": "0.1.0", "provider": "kbs", "kid": KID,
              "wrapped_data": base64.b64encode(AESGCM(KEK).encrypt(NONCE, payload.encode(), None)).decode(),
              "iv": base64.b64encode(NONCE).decode(), "wrap_type": "A256GCM", "provider_settings": {},
              "annotations": {}}
    return base64.b64encode(json.dumps(packet, separators=(",", ":")).encode()).decode()


def described(blob, root, salt, data_size, more):
    return {"blob_digest": digest(blob), "blob_size": len(blob), "data_size": data_size, "root_hash": root.hex(),
            "salt": salt.hex(), **more}


def encrypted_from(image):
    """encrypted.blob and what encrypted.json says of it: files.tar.gz again."""
    blob, root = sealed(SALT, crypt(image, encrypt=True))
    return blob, described(blob, root, SALT, len(image), {
        "key": KEY.hex(), "kek": KEK.hex(), "annotation": annotation(root, len(image)), "image_digest": digest(image)})


def seal(seal_layer, tar, *options):
    with tempfile.TemporaryDirectory() as directory:
        blob = pathlib.Path(directory) / "blob"
        subprocess.run([seal_layer, tar, blob, *options], check=True, stdout=subprocess.DEVNULL)
        return blob.read_bytes()


def image_in(blob):
    """The data area: the superblock of EROFS says how long it is."""
    return blob[:int.from_bytes(blob[1024 + 36:1024 + 40], "little") * BLOCK]


def write(name, blob, about):
    (HERE / (name + ".blob")).write_bytes(blob)
    (HERE / (name + ".json")).write_text(json.dumps(about, indent=2) + "\n")


def make(seal_layer):
    write("encrypted", *encrypted_from(image_in(seal(seal_layer, HERE / "files.tar.gz"))))
    blob = seal(seal_layer, HERE / "text.tar", "--compress")
    image, tar = image_in(blob), (HERE / "text.tar").read_bytes()
    salt = labelled("locket.verity.salt.v1", digest(tar).encode())
    write("compressed", blob, described(blob, tree(salt, image)[1], salt, len(image), {
        "diff_id": digest(tar), "file_digest": digest(tar[512:512 + 40000])}))


def check():
    wrong = []

    def same(what, got, want):
        if got != want:
            wrong.append(f"{what}: {got!r}, not {want!r}")

    expected = json.loads((HERE / "expected.json").read_text())
    blob = (HERE / "encrypted.blob").read_bytes()
    about = json.loads((HERE / "encrypted.json").read_text())
    image = crypt(blob[:about["data_size"]], encrypt=False)
    again, described_again = encrypted_from(image)
    same("encrypted.blob", again, blob)
    same("encrypted.json", described_again, about)

    # The same image is what files.tar.gz becomes unencrypted.
    tar = gzip.decompress((HERE / "files.tar.gz").read_bytes())
    salt = labelled("locket.verity.salt.v1", digest(tar).encode())
    plain, root = sealed(salt, image)
    same("files.tar.gz", described(plain, root, salt, len(image), {"diff_id": digest(tar)}), expected["files.tar.gz"])
    same("its EROFS UUID", image[1024 + 48:1024 + 64], uuid(labelled("locket.erofs.uuid.v1", digest(tar).encode())))

    compressed = (HERE / "compressed.blob").read_bytes()
    about = json.loads((HERE / "compressed.json").read_text())
    salt = bytes.fromhex(about["salt"])
    same("compressed.blob", sealed(salt, image_in(compressed))[0], compressed)
    same("its root hash", sealed(salt, image_in(compressed))[1].hex(), about["root_hash"])
    same("its digest", digest(compressed), about["blob_digest"])
    print("\n".join(wrong))
    return 1 if wrong else 0


if sys.argv[1:] == ["check"]:
    sys.exit(check())
elif len(sys.argv) == 3 and sys.argv[1] == "make":
    make(sys.argv[2])
else:
    sys.exit(__doc__)
