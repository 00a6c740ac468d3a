"""The archive for people who install by hand."""

from .contents import SHELLS
from .reproducible import Tar, gzipped

# From the repository, and where they are in the archive.
FILES = {
    "LICENSE": "LICENSE",
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "deploy/systemd/egret.service": "systemd/egret.service",
    "examples/loopback/gateway.yaml": "examples/loopback/gateway.yaml",
    "examples/loopback/route.yaml": "examples/loopback/route.yaml",
}


def write(path, name, contents, binary, bill):
    tar = Tar()
    tar.add(f"{name}/egret", binary.path.read_bytes(), 0o755)
    for source, target in FILES.items():
        tar.add(f"{name}/{target}", contents.file(source))
    for shell, file in SHELLS.items():
        tar.add(f"{name}/completions/{file}", contents.completions[shell])
    for file, page in contents.manual.items():
        tar.add(f"{name}/man/man1/{file}", page)
    tar.add(f"{name}/egret.cdx.json", bill.encode())
    path.write_bytes(gzipped(tar.bytes()))
