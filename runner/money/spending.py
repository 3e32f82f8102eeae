"""What a run's model calls cost, what is set aside for those under way, and the cap over both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runner.errors import SpentError
from runner.journal.store import Journal
from runner.records import ModelCall, Run, Usage
from runner.seams import SetAsideError

UNKNOWN = "unknown"
"""The model of a call of which nothing is known but what was set aside for it."""
LOOK_SECONDS = 0.5
"""How often whoever waits for what others have set aside asks whether to stop."""


class Spending:
    """One run's budget for calls to models, which proposers in several threads share."""

    def __init__(self, journal: Journal, tag: str, *, cap: float | None) -> None:
        self._journal, self._tag, self._cap = journal, tag, cap
        self._lock = threading.Condition()
        """Told when something that was set aside comes back."""
        self._reserved: dict[int, float] = {}
        """What is set aside, by its place in the journal; a running sum would keep a rest."""

    def left(self) -> float | None:
        """Return the US dollars that are neither spent nor set aside; `None` is no limit."""
        # Under the lock: a call that ends between the two readings would be counted by neither.
        with self._lock:
            unspent = self.unspent()
            return None if unspent is None else unspent - sum(self._reserved.values())

    def unspent(self) -> float | None:
        """Return the US dollars that are not spent, be they set aside or not."""
        return None if self._cap is None else self._cap - self._journal.spent(self._tag)

    @contextmanager
    def reserved(self, usd: float, *, stop: Callable[[], bool] | None = None) -> Iterator[None]:
        """Set the worst case of a call aside until it has been recorded.

        Where it does not fit for what others have set aside, it is waited for until `stop` says
        otherwise: most calls cost less than their worst case. Whoever waits has nothing set aside.

        Raises:
            SetAsideError: it does not fit for now, and nobody waits any longer.
            SpentError: it does not fit into what is left.
        """
        with self._lock:
            while (left := self.left()) is not None and usd > left:
                self._require(usd)
                if stop is None or stop():
                    raise SetAsideError(
                        f"limits.usd: ${left:.4f} of ${self._cap:g} are left while"
                        f" ${sum(self._reserved.values()):.4f} are set aside for calls under way,"
                        f" and the next call may cost ${usd:.4f}"
                    )
                self._lock.wait(LOOK_SECONDS)
            reservation = self._journal.reserve(self._tag, usd)
            self._reserved[reservation] = usd
        try:
            yield
        finally:
            with self._lock:
                self._journal.release(self._tag, reservation)
                del self._reserved[reservation]
                self._lock.notify_all()

    def _require(self, usd: float) -> None:
        """Raise `SpentError` unless so much fits where nothing is set aside."""
        unspent = self.unspent()
        if unspent is not None and usd > unspent:
            raise SpentError(
                f"limits.usd: ${unspent:.4f} of ${self._cap:g} are left,"
                f" and the next call may cost ${usd:.4f}",
                hint="raise limits.usd in the policy of a new run",
            )

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
