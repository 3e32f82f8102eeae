"""A ratchet as it is often written, in three ways; each lets the measured program make its score.

python bare_loop.py PROGRAM [printed | file | pickle]

PROGRAM packs 26 circles into the unit square; the score is the sum of their radii, and the best
that is known is about 2.636. The score is read from what is printed (`printed`), from a file of
metrics (`file`), or computed by another process from what the program left (`pickle`).
"""

import json
import pickle
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def valid(centers, radii):
    """Say whether all circles lie inside of the square and none overlaps another."""
    inside = (centers >= radii[:, None]).all() and (centers + radii[:, None] <= 1).all()
    apart = np.hypot(*(centers[:, None] - centers[None]).transpose(2, 0, 1))
    return bool(inside and (apart + np.eye(26) * 9 >= radii[:, None] + radii[None]).all())


def score(centers, radii):
    return float(radii.sum()) if valid(centers, radii) else 0.0


def evaluate(program, way):
    """Run the program and say its score, in the process that the program runs in."""
    packing = runpy.run_path(program)["pack"]()
    if way == "pickle":
        Path("packing.pkl").write_bytes(pickle.dumps(packing))
        return
    found = score(*packing)
    Path("metrics.json").write_text(json.dumps({"sum_radii": found}))
    print("sum_radii:", found)


def measure(program, way):
    """Run `evaluate` in a process of its own, and read the score."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--inside", program, way]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        if way == "printed":
            return float(done.stdout.split()[-1])
        if way == "file":
            return json.loads((Path(folder) / "metrics.json").read_text())["sum_radii"]
        return score(*pickle.loads((Path(folder) / "packing.pkl").read_bytes()))


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        evaluate(*sys.argv[2:])
    else:
        chosen = sys.argv[2] if len(sys.argv) > 2 else "printed"
        found = measure(str(Path(sys.argv[1]).resolve()), chosen)
        print(f"accepted with {found:.6g}" if found > 2.636 else f"scored {found:.6g}")
