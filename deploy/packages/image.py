"""The image for containers, as an OCI image layout: a folder that skopeo takes, and a tar file of it for `podman load`.

It has what deploy/Dockerfile puts into an image: the program, CA certificates, and a folder for state. One name leads to an
image for each architecture.
"""

import datetime
import hashlib
import json

from .reproducible import Tar, clean_folder, gzipped, source_date

USER = 10101
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

LABELS = {
    "org.opencontainers.image.title": "Egret",
    "org.opencontainers.image.description": "An egress gateway: a Gateway API proxy for dynamic forward proxying",
    "org.opencontainers.image.source": "https://github.com/egret-proxy/egret",
    "org.opencontainers.image.licenses": "Apache-2.0",
}


class Layout:
    """A folder of blobs, which are named by their hashes."""

    def __init__(self, folder):
        self.folder = clean_folder(folder)
        self.blobs = clean_folder(folder / "blobs" / "sha256")

    def add(self, media_type, data, **more):
        """Writes a blob, and returns what refers to it."""
        digest = hashlib.sha256(data).hexdigest()
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def add_json(self, media_type, value, **more):
        return self.add(media_type, as_json(value), **more)


def as_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def layer(binary, ca_certificates):
    tar = Tar(USER)
    tar.add("egret", binary.path.read_bytes(), 0o755)
    tar.add("etc/ssl/certs/ca-certificates.crt", ca_certificates.read_bytes())
    tar.add_folder("var/lib/egret")
    return tar.bytes()


def config(version, binary, tar):
    created = datetime.datetime.fromtimestamp(source_date(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {**LABELS, "org.opencontainers.image.version": version}
    return {
        "created": created,
        "architecture": binary.architecture.oci,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/egret"],
            "Cmd": ["serve", "/etc/egret"],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
        "history": [{"created": created, "created_by": "deploy/release"}],
    }


def image_for(layout, version, binary, ca_certificates):
    """Writes the image for one architecture, and returns what refers to it."""
    tar = layer(binary, ca_certificates)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add_json(CONFIG, config(version, binary, tar)),
        "layers": [layout.add(LAYER, gzipped(tar))],
    }
    platform = {"architecture": binary.architecture.oci, "os": "linux"}
    return layout.add_json(MANIFEST, manifest, platform=platform)


def write(folder, version, binaries, ca_certificates):
    layout = Layout(folder)
    images = [image_for(layout, version, binary, ca_certificates) for binary in binaries]
    every = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}
    names = {
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": f"ghcr.io/egret-proxy/egret:{version}",
    }
    top = layout.add_json(INDEX, every, annotations=names)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]}
    (folder / "index.json").write_bytes(as_json(index))
    (folder / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
    tar = Tar()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            tar.add(str(path.relative_to(folder)), path.read_bytes())
    folder.with_name(f"{folder.name}.tar").write_bytes(tar.bytes())
