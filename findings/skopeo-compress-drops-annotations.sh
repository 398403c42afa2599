#!/bin/bash
# skopeo 1.18 (Debian 13) drops the annotations of a layer's descriptor when it compresses the layer during a copy, and
# keeps them otherwise. It compresses layers that are not compressed when it writes an OCI layout or pushes, without
# being asked to. A good engineer expects annotations to survive: they belong to the descriptor, and no option says
# otherwise. A reader of images must not conclude from a missing annotation that the image is old or ordinary.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
fetch trixie skopeo=1.18.0+ds1-1+b5

cd "$work"
python3 - << 'PYTHON'
import hashlib, io, json, os, tarfile
os.makedirs("in/blobs/sha256")
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    open("in/blobs/sha256/" + digest, "wb").write(data)
    return "sha256:" + digest, len(data)
def descriptor(kind, data, **more):
    digest, size = blob(data)
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": digest, "size": size, **more}
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w") as archive:
    member = tarfile.TarInfo("file")
    member.size = 5
    archive.addfile(member, io.BytesIO(b"hello"))
layer = descriptor("layer.v1.tar", tar.getvalue(), annotations={"example.note": "kept?"})
config = descriptor("config.v1+json", json.dumps({"architecture": "amd64", "os": "linux", "config": {},
    "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode())
manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": config, "layers": [layer]})
named = {"org.opencontainers.image.ref.name": "a"}
index = {"schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", manifest.encode(), annotations=named)]}
json.dump(index, open("in/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("in/oci-layout", "w"))
PYTHON
copy() { unpacked skopeo copy -q --insecure-policy "$@" > log 2>&1 || { cat log >&2; exit 1; }; }
note() {
  jq -r '.layers[0].annotations["example.note"]' \
    "$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)"
}
copy oci:in:a dir:plain
copy oci:in:a oci:default:a
copy --dest-compress-format zstd oci:in:a oci:zstd:a
saw 'annotation after a copy to a directory' 'kept?' \
  "$(jq -r '.layers[0].annotations["example.note"]' plain/manifest.json)"
saw 'after a copy to an OCI layout' null "$(note default)"
saw 'after a copy to an OCI layout with zstd' null "$(note zstd)"
