"""Run in a container: write the data files of its packages to standard output, as a tar archive.

Small ones first, until there is no room; of the rest nobody is told.
"""

from __future__ import annotations

import sys
import sysconfig
import tarfile
from pathlib import Path

FOLDERS = (Path(sysconfig.get_path("purelib")), Path("/opt/weights"))
KINDS = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".arff", ".json", ".jsonl", ".npy", ".npz", ".zip"),
    *(".parquet", ".gz", ".bz2", ".xz", ".pkl", ".mat", ".png", ".jpg", ".jpeg", ".wav"),
)
"""How files end that hold data."""
MOST_BYTES = 48 * 1024**2
MEMBER_BYTES = 2048
"""That a file takes in an archive besides its own, at most."""


def main() -> None:
    found = [(path.stat().st_size, path, folder) for folder in FOLDERS
             for path in folder.rglob("*")
             if path.suffix.lower() in KINDS and path.is_file()
             and not path.parent.name.endswith(".dist-info")]  # fmt: skip
    room = MOST_BYTES
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        archive.add(FOLDERS[0], "public", recursive=False)
        for size, path, folder in sorted(found):
            room -= size + MEMBER_BYTES
            if room < 0:
                break
            member = tarfile.TarInfo(f"public/{path.relative_to(folder).as_posix()}")
            member.size = size
            with path.open("rb") as file:
                archive.addfile(member, file)


if __name__ == "__main__":
    main()
