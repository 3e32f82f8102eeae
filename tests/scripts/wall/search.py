"""Looks for labels, the scorer, keys and other experiments, in training and in prediction."""

import os
import sys

STAGE = sys.argv[1]
WORDS = (
    "sealed",
    "holdout",
    "locked",
    "scoring",
    "harness",
    "journal",
    ".git",
    "docker.sock",
    "id_rsa",
)
KEYS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "RUNNER_HOME")
SKIP = ("/proc", "/sys", "/opt/venv", "/usr")
EMPTY_MOUNT_POINTS = ("/sealed", "/harness")


def found_paths():
    for root, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(root, name) not in SKIP]
        for name in folders + files:
            path = os.path.join(root, name)
            if path in EMPTY_MOUNT_POINTS:
                try:
                    if os.listdir(path):
                        yield path
                except PermissionError:
                    pass
            elif any(word in name.lower() for word in WORDS):
                yield path


def found_arrays():
    """Arrays other than this stage's own; a predictor may see its own inputs only."""
    own = ("/data", "/artifacts") if STAGE == "train" else ("/inputs", "/artifacts")
    for root, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(root, name) not in SKIP]
        for name in files:
            path = os.path.join(root, name)
            if name.endswith((".npy", ".npz", ".sqlite", ".pt")) and not path.startswith(own):
                yield path


def other_processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        if "harness" in command or "dockerd" in command:
            yield command


def allowed_mounts():
    with open("/proc/self/mounts") as mounts:
        return {line.split()[1] for line in mounts}


secrets = [name for name in os.environ if any(word in name for word in KEYS)]
leaks = [*found_paths(), *found_arrays(), *other_processes(), *secrets]
if STAGE == "train":
    leaks += [place for place in allowed_mounts() if place in ("/sealed", "/inputs", "/outputs")]
else:
    leaks += [place for place in allowed_mounts() if place in ("/sealed", "/data", "/held")]
    names = sorted(os.listdir("/inputs"))
    if names != [f"{sys.argv[2]}.npy"]:
        leaks.append(f"inputs: {names}")
if leaks:
    raise AssertionError(f"FOUND {leaks[:10]}")
if os.getuid() == 0 or open("/proc/self/status").read().count("0000000000000000") < 4:
    raise AssertionError("root or capabilities")
if STAGE == "train":
    sys.exit(0)
raise LookupError("nothing to find")
