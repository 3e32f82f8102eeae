"""Seeds of trials: drawn from a secret of the run, so that a plan has no end and can be replayed.

The secret lies outside of the run's folder and of the journal, which holds its digest. With it one
can say what each seed must have been; with the journal alone one cannot tell the next.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from runner import given
from runner.errors import ConfigError
from runner.records import Purpose

SECRET_BYTES = 32
MOST_BYTES = 1000
SEED_RANGE = 2**31
PER_EXPERIMENT = 1000
"""Draws that belong to each experiment: those of number 12 are 12,000 to 12,999."""


def index(experiment: int, count: int) -> int:
    """Return the number of an experiment's own draw, counted from 0."""
    if not 0 <= count < PER_EXPERIMENT:
        raise ValueError(f"an experiment has {PER_EXPERIMENT} draws")
    return experiment * PER_EXPERIMENT + count


def seed(secret: bytes, purpose: Purpose, split: str, index: int) -> int:
    """Return the draw of this number, for `RUNNER_SEED`: from 0 to below 2^31."""
    said = f"{purpose}/{split}/{index}".encode()
    return int.from_bytes(hmac.digest(secret, said, "sha256")[:8], "big") % SEED_RANGE


def digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def make_secret(path: Path) -> bytes:
    """Return the secret at `path`, drawn the first time; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
        fresh.replace(path)
    return given.read(path, most=MOST_BYTES)


def load_secret(path: Path, expected: str) -> bytes:
    """Return the secret of a run.

    Raises:
        ConfigError: it is not here, or is not the one that the run began with.
    """
    try:
        secret = given.read(path, most=MOST_BYTES)
    except ConfigError as error:
        hint = "a run goes on where its secret is: bring the file along, or start a new run"
        raise ConfigError(f"the secret of this run is missing: {error}", hint=hint) from error
    if digest(secret) != expected:
        raise ConfigError(f"{path} is not the secret that this run began with")
    return secret
