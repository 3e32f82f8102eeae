"""What a run's model calls cost, what is set aside for those under way, and the cap over both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import SpentError
from runner.journal.store import Journal
from runner.records import ModelCall, Run, Usage

UNKNOWN = "unknown"
"""The model of a call of which nothing is known but what was set aside for it."""


class Spending:
    """One run's budget for calls to models, which proposers in several threads share."""

    def __init__(self, journal: Journal, tag: str, *, cap: float | None) -> None:
        self._journal, self._tag, self._cap = journal, tag, cap
        self._lock = threading.RLock()
        self._reserved = 0.0

    def left(self) -> float | None:
        """Return the US dollars that are neither spent nor set aside; `None` is no limit."""
        # Under the lock: a call that ends between the two readings would be counted by neither.
        with self._lock:
            if self._cap is None:
                return None
            return self._cap - self._journal.spent(self._tag) - self._reserved

    @contextmanager
    def reserved(self, usd: float) -> Iterator[None]:
        """Set the worst case of a call aside until it has been recorded.

        Raises:
            SpentError: it does not fit into what is left.
        """
        with self._lock:
            left = self.left()
            if left is not None and usd > left:
                raise SpentError(
                    f"limits.usd: ${left:.4f} of ${self._cap:g} are left,"
                    f" and the next call may cost ${usd:.4f}",
                    hint="raise limits.usd in the policy of a new run",
                )
            reservation = self._journal.reserve(self._tag, usd)
            self._reserved += usd
        try:
            yield
        finally:
            with self._lock:
                self._journal.release(self._tag, reservation)
                self._reserved -= usd

    def settle(self, *, agent: str, experiment: int) -> float:
        """Charge what a killed supervisor had set aside: its calls may have cost all of it.

        Returns:
            US dollars.
        """
        call = ModelCall(
            experiment=experiment,
            agent=agent,
            model=UNKNOWN,
            usage=Usage(),
            usd=0.0,
            seconds=0.0,
            outcome="killed",
        )
        return self._journal.charge_reservations(self._tag, call)

    def record(self, call: ModelCall) -> None:
        """Write down what a call cost; what was set aside for it stays so until it is over."""
        self._journal.add_call(self._tag, call)


def cap_of(run: Run) -> float | None:
    """Return a run's `limits.usd`; `None` is no limit, or a policy that cannot be read now.

    The text alone is asked: the policy was checked when the run was created, and checking it again
    takes longer than all else that a view does.
    """
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        usd = yaml.load(run.policy_text, loader)["limits"]["usd"]  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return float(usd) if isinstance(usd, int | float) else None
