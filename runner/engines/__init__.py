"""Container engines: one small protocol, and Docker as its first implementation.

`protocol` says what an engine does, `container` runs one container on any engine, `docker` speaks
to Docker with what `options` says. Nothing else imports an engine's own library.
"""

from runner.engines.docker import Docker, connect
from runner.engines.protocol import HOME_LABEL, RUN_LABEL, TRIAL_LABEL

__all__ = ["HOME_LABEL", "RUN_LABEL", "TRIAL_LABEL", "Docker", "connect"]
