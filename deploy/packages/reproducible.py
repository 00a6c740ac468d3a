"""Files that are the same, byte for byte, whenever and wherever they are written."""

import gzip
import hashlib
import io
import os
import shutil
import tarfile


def source_date():
    """The one date that is written anywhere, in seconds since 1970."""
    return int(os.environ["SOURCE_DATE_EPOCH"])


def gzipped(data):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0, filename="") as file:
        file.write(data)
    return packed.getvalue()


class Tar:
    """An uncompressed tar archive, with one date and one owner; folders are added before what is in them."""

    def __init__(self, owner=0):
        self.owner = owner
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.GNU_FORMAT)
        self.folders = set()

    def add(self, name, data, mode=0o644):
        self.add_folder(os.path.dirname(name))
        self._write(name, tarfile.REGTYPE, mode, data)

    def add_folder(self, name, owner=None):
        if not name or name in self.folders:
            return
        self.add_folder(os.path.dirname(name))
        self.folders.add(name)
        self._write(name, tarfile.DIRTYPE, 0o755, b"", owner)

    def _write(self, name, kind, mode, data, owner=None):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.mtime = kind, mode, len(data), source_date()
        entry.uid = entry.gid = self.owner if owner is None else owner
        self.tar.addfile(entry, io.BytesIO(data))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def clean_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def checksums(folder):
    """Writes SHA256SUMS of the files of a folder, for `sha256sum -c`."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))
