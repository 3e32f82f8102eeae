"""A person at the keyboard, with an editor or a patch, for one experiment of any run."""

from __future__ import annotations

from collections.abc import Callable

from runner.errors import ConfigError
from runner.records import Proposal, Violation
from runner.seams import Context, Supervisor

Draft = Callable[[Context, tuple[Violation, ...]], Proposal]
"""Makes the proposal, or mends the last one, which broke these rules; `ConfigError` gives up."""


class Person:
    """Hands over what a person wrote. A person can do anything on the host: isolation `none`."""

    name = "person"
    isolation = "none"
    ahead = 0

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.gave_up: ConfigError | None = None
        """Why there was no proposal; the run is none the worse for it."""

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        """Return the draft once nothing comes back; one that is given up becomes no experiment."""
        found: tuple[Violation, ...] = ()
        try:
            while True:
                proposal = self._draft(context, found)
                if not (found := supervisor.send_back(proposal)):
                    return proposal
        except ConfigError as error:
            self.gave_up = error
            return None
