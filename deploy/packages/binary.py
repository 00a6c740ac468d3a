"""The binaries: how they are built, and what has to be true of them."""

import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# What builds for other machines, from PyPI.
BUILD_TOOLS = ["cargo-zigbuild==0.24.1", "ziglang==0.15.2"]
PT_INTERP = 3
# What somebody downloads, and what every node of a cluster pulls.
LARGEST = 25_000_000


@dataclass(frozen=True)
class Architecture:
    """The names of a processor: `uname -m`, Debian's, OCI's, and its number in an ELF header."""

    machine: str
    debian: str
    oci: str
    elf: int


ARCHITECTURES = {
    "x86_64": Architecture("x86_64", "amd64", "amd64", 62),
    "aarch64": Architecture("aarch64", "arm64", "arm64", 183),
}


@dataclass(frozen=True)
class Binary:
    target: str
    path: Path

    @property
    def architecture(self):
        return ARCHITECTURES[self.target.split("-")[0]]

    def check(self, allow_dynamic):
        """Ends the program unless this is a static program for the target, and no larger than it may be."""
        machine, has_loader = elf_facts(self.path)
        if machine != self.architecture.elf:
            sys.exit(f"release: {self.path} is not a program for {self.target}")
        if has_loader and not allow_dynamic:
            sys.exit(f"release: {self.path} is not static; --allow-dynamic takes it all the same")
        size = self.path.stat().st_size
        if size > LARGEST and not allow_dynamic:
            sys.exit(f"release: {self.path} has {size:,} bytes, and may have {LARGEST:,}")


def elf_facts(path):
    """The number of the machine that a program is for, and whether it needs a dynamic loader."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"release: {path} is not a program of 64 bits, little endian")
    machine = struct.unpack_from("<H", data, 18)[0]
    offset = struct.unpack_from("<Q", data, 32)[0]
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, offset + number * size)[0] for number in range(count)]
    return machine, PT_INTERP in kinds


def build(root, target, target_folder, commit):
    """Builds the binary for a target. Paths of this machine are left out of it."""
    tools = build_tools(target_folder)
    subprocess.run(["rustup", "target", "add", target], cwd=root, check=True)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    flags = f"-C target-feature=+crt-static --remap-path-prefix={home}=cargo --remap-path-prefix={root}=egret"
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "RUSTFLAGS": flags,
        "CARGO_PROFILE_RELEASE_STRIP": "symbols",
        "CARGO_TARGET_DIR": str(target_folder),
        "EGRET_COMMIT": commit,
    }
    command = ["cargo", "zigbuild", "--release", "--locked", "--bin", "egret", "--target", target]
    subprocess.run(command, cwd=root, check=True, env=environment)
    return Binary(target, target_folder / target / "release" / "egret")


def build_tools(target_folder):
    """The folder with cargo-zigbuild and zig, which are installed once."""
    environment = target_folder / "release-tools"
    programs = environment / "bin"
    wanted = "\n".join(BUILD_TOOLS)
    seen = environment / "installed"
    if not seen.exists() or seen.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        subprocess.run([programs / "pip", "install", "--quiet", "--disable-pip-version-check", *BUILD_TOOLS], check=True)
        seen.write_text(wanted)
    return programs
