"""Leaves a daemon in a session of its own that would write weights after the end of training."""

import os
import sys
import time

if sys.argv[1] == "train":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(3):
                os.close(number)
            while True:
                with open("/artifacts/late", "a") as file:
                    file.write("x")
                time.sleep(0.01)
        os._exit(0)
    time.sleep(0.5)
    sys.exit(0)

# The predictor: the volume must have stopped growing when the trainer ended.
before = os.path.getsize("/artifacts/late")
time.sleep(0.5)
grew = os.path.getsize("/artifacts/late") - before
raise ProcessLookupError("the daemon is gone") if grew == 0 else AssertionError(f"it lives: {grew}")
