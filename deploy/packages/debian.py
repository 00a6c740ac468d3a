"""The Debian package: the program, the unit, and a folder /etc/egret that denies everything until somebody says more."""

import os
import subprocess
import tempfile
from pathlib import Path

from .reproducible import gzipped, source_date

DESCRIPTION = """\
egress gateway: a Gateway API proxy for dynamic forward proxying
 Egret lets services and agents reach the internet, decides by policies where
 they may go, and logs what happened. It reads the resources of the Kubernetes
 Gateway API and of kgateway, from files or in a cluster."""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Egret
Source: https://github.com/egret-proxy/egret

Files: *
Copyright: The authors of Egret
License: Apache-2.0
 On Debian systems, the text of this licence is in
 /usr/share/common-licenses/Apache-2.0. The licences of the libraries in the
 program are in /usr/share/doc/egret/egret.cdx.json.
"""

# Whether systemd runs, and on the machine that the package is installed on.
HAS_SYSTEMD = '[ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]'

# The service is not started by itself: what it may serve is for the administrator to say.
SCRIPTS = {
    "postinst": f"""#!/bin/sh
set -e
if [ "$1" = configure ] && {HAS_SYSTEMD}; then
  systemctl daemon-reload || true
  systemctl try-restart egret || true
fi
""",
    "prerm": f"""#!/bin/sh
set -e
if [ "$1" = remove ] && {HAS_SYSTEMD}; then
  systemctl disable --now egret || true
fi
""",
    "postrm": f"""#!/bin/sh
set -e
if [ "$1" = purge ]; then
  rm -rf "${{DPKG_ROOT:-}}/var/lib/private/egret"
fi
if {HAS_SYSTEMD}; then
  systemctl daemon-reload || true
fi
""",
}


def files(contents, binary, bill):
    """The files of the package, by path: what is in them, and their modes."""
    share = "usr/share"
    found = {
        "usr/bin/egret": (binary.path.read_bytes(), 0o755),
        "usr/lib/systemd/system/egret.service": (contents.unit("/usr/bin/egret"), 0o644),
        f"{share}/bash-completion/completions/egret": (contents.completions["bash"], 0o644),
        f"{share}/zsh/vendor-completions/_egret": (contents.completions["zsh"], 0o644),
        f"{share}/fish/vendor_completions.d/egret.fish": (contents.completions["fish"], 0o644),
        f"{share}/doc/egret/copyright": (COPYRIGHT.encode(), 0o644),
        f"{share}/doc/egret/changelog.gz": (gzipped(contents.file("CHANGELOG.md")), 0o644),
        f"{share}/doc/egret/README.md": (contents.file("README.md"), 0o644),
        f"{share}/doc/egret/egret.cdx.json": (bill.encode(), 0o644),
    }
    for name, page in contents.manual.items():
        found[f"{share}/man/man1/{name}.gz"] = (gzipped(page), 0o644)
    for name, text in contents.starter.items():
        found[f"etc/egret/{name}"] = (text, 0o644)
    return found


def control(contents, binary, size):
    fields = {
        "Package": "egret",
        "Version": contents.version,
        "Architecture": binary.architecture.debian,
        "Maintainer": "The authors of Egret <egret-proxy@users.noreply.github.com>",
        "Installed-Size": str(-(-size // 1024)),
        "Recommends": "ca-certificates",
        "Section": "net",
        "Priority": "optional",
        "Homepage": "https://github.com/egret-proxy/egret",
        "Description": DESCRIPTION,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def write(out, contents, binary, bill):
    found = files(contents, binary, bill)
    size = sum(len(data) for data, _ in found.values())
    name = f"egret_{contents.version}_{binary.architecture.debian}.deb"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        for path, (data, mode) in found.items():
            put(root / path, data, mode)
        put(root / "DEBIAN/control", control(contents, binary, size).encode(), 0o644)
        put(root / "DEBIAN/conffiles", "".join(f"/etc/egret/{file}\n" for file in contents.starter).encode(), 0o644)
        for script, text in SCRIPTS.items():
            put(root / "DEBIAN" / script, text.encode(), 0o755)
        for path in sorted(root.rglob("*"), reverse=True):
            os.utime(path, (source_date(), source_date()))
        os.utime(root, (source_date(), source_date()))
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, out / name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def put(path, data, mode):
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_bytes(data)
    path.chmod(mode)
