"""Waiting out what passes: overload, limits on rates, and a network that is away.

Nothing that happens here counts as an experiment. The person sees each wait, and may end it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception
from tenacity.wait import wait_exponential_jitter

from runner.agents.claude.trouble import OUR_SIDE, TooLongError, Trouble, trouble
from runner.errors import ModelError
from runner.seams import Desk

PATIENCE_SECONDS = 4 * 3600.0
"""How long one call is tried; an outage of one night's first half does not end the night."""
MOST_WAIT = 300.0
SLICE = 1.0
"""Seconds after which a wish to stop is seen."""
BACKOFF = wait_exponential_jitter(multiplier=2, max=MOST_WAIT, jitter=5, min=1)

Answer = TypeVar("Answer")


class StopAskedError(Exception):
    """The person asked to stop while there was nothing to do but wait."""


def patiently(call: Callable[[], Answer], desk: Desk, sleep: Callable[[float], None]) -> Answer:
    """Return what the call returns, made again for as long as its trouble may pass.

    Raises:
        ModelError: the trouble does not pass by itself, or did not in all this time.
        TooLongError: the request does not fit into the model.
        StopAskedError: the person asked to stop.
    """
    retrying = Retrying(
        retry=retry_if_exception(_passes),
        wait=_wait,
        stop=_is_over,
        before_sleep=lambda state: desk.waiting(_found(state).what, state.upcoming_sleep),
        sleep=lambda seconds: _sliced(float(seconds), desk, sleep),
        retry_error_callback=_give_up,
    )
    try:
        return retrying(call)
    except Exception as error:
        found = trouble(error)
        if found is None:
            raise
        if found.too_long:
            raise TooLongError(found.what) from error
        raise ModelError(found.what, hint=found.hint) from error


def _passes(error: BaseException) -> bool:
    found = trouble(error)
    return found is not None and found.passes


def _wait(state: RetryCallState) -> float:
    """Back off with jitter, and never come back before the API asked to."""
    return max(float(BACKOFF(state)), _found(state).after or 0.0)


def _is_over(state: RetryCallState) -> bool:
    waited = max(state.idle_for, state.seconds_since_start or 0.0)
    return waited + state.upcoming_sleep > PATIENCE_SECONDS


def _give_up(state: RetryCallState) -> NoReturn:
    found = _found(state)
    hours = PATIENCE_SECONDS / 3600
    raise ModelError(f"{found.what}; this was so for {hours:g} hours", hint=OUR_SIDE)


def _found(state: RetryCallState) -> Trouble:
    error = state.outcome.exception() if state.outcome else None
    return (error and trouble(error)) or Trouble(what="nothing", passes=False)


def _sliced(seconds: float, desk: Desk, sleep: Callable[[float], None]) -> None:
    while seconds > 0:
        if desk.stop_asked():
            raise StopAskedError
        sleep(min(SLICE, seconds))
        seconds -= SLICE
