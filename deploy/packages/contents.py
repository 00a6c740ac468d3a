"""What every package has beside the binary."""

import subprocess
import tempfile
from pathlib import Path

SHELLS = {"bash": "egret.bash", "zsh": "_egret", "fish": "egret.fish"}


class Contents:
    """Texts of the repository, and what the binary says about itself."""

    def __init__(self, root, version, binary):
        self.version = version
        self.root = root
        self.completions = {shell: run(binary, "completions", shell) for shell in SHELLS}
        with tempfile.TemporaryDirectory() as folder:
            run(binary, "man", folder)
            self.manual = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
            run(binary, "init", f"{folder}/egret")
            starter = sorted(Path(f"{folder}/egret").iterdir())
            self.starter = {path.name: path.read_bytes() for path in starter}

    def file(self, path):
        return (self.root / path).read_bytes()

    def unit(self, program):
        """The unit of systemd, for a program at this path."""
        unit = self.file("deploy/systemd/egret.service")
        before = b"ExecStart=/usr/local/bin/egret "
        assert before in unit
        return unit.replace(before, f"ExecStart={program} ".encode())


def run(binary, *arguments):
    return subprocess.run([binary.path.resolve(), *arguments], check=True, stdout=subprocess.PIPE).stdout
