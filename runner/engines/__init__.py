"""Container engines: one small protocol, and Docker as its first implementation.

`protocol` says what an engine does, `container` runs one container on any engine, `docker` speaks
to Docker with what `options` says. Nothing else imports an engine's own library.
"""

from runner.engines.docker import Docker, connect
from runner.engines.protocol import (
    AGENT_USER,
    DATA_LABEL,
    HOME_LABEL,
    RUN_LABEL,
    SCORER_USER,
    TRIAL_LABEL,
    ContainerSpec,
    Engine,
    Mount,
    Volume,
)

__all__ = [
    "AGENT_USER",
    "DATA_LABEL",
    "HOME_LABEL",
    "RUN_LABEL",
    "SCORER_USER",
    "TRIAL_LABEL",
    "ContainerSpec",
    "Docker",
    "Engine",
    "Mount",
    "Volume",
    "connect",
]
