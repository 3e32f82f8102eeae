"""Independent draws from the template: what the best of n tries is worth without any learning.

The run starts every proposal from the template and tells it no history (the strategy `baseline`),
so whoever proposes cannot build on what came before. The n is the number of experiments.
"""

from __future__ import annotations

from runner.records import Proposal
from runner.seams import Agent, Context, Desk


class BestOfN:
    """Hands over what another agent proposes; that it knows nothing is the run's doing."""

    def __init__(self, inner: Agent) -> None:
        self._inner = inner
        self.name = f"best-of-n:{inner.name}"
        self.isolation = inner.isolation
        self.ahead = inner.ahead

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        return self._inner.propose(context, desk)
