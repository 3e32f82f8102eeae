"""What a failed call means: wait and ask again, or pause the run and say what to do.

Overload, limits on rates and a network that is away pass. Nothing that happens here counts as an
experiment. The person sees each wait, and may end it.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TypeVar

import anthropic
import httpx2

from runner.errors import ModelError
from runner.providers import HINTS, LATER, MONEY_HINT, MONEY_WORDS
from runner.sandbox.evidence import escaped
from runner.seams import Supervisor

PASSING_TYPES = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
"""Errors that a stream may end with, under the status 200 with which it began."""
PASSING = (408, 409, 429)
TOO_LONG = ("prompt is too long", "context window", "context limit")


PATIENCE_SECONDS = 4 * 3600.0
"""How long one call is tried; an outage of one night's first half does not end the night."""
MOST_WAIT, JITTER = 300.0, 5.0
"""Seconds between two tries, which grow to this, and by how much they vary."""

Answer = TypeVar("Answer")


class StopAskedError(Exception):
    """The person asked to stop while there was nothing to do but wait."""


class DroppedError(Exception):
    """The answer began, or should have, and did not come to its end."""


class GarbledError(Exception):
    """What came is no answer of this API, as where a proxy cut it or mixed two up."""


class TooLongError(Exception):
    """The conversation no longer fits into the model."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What a failed call means."""

    what: str
    passes: bool
    """Whether asking again later may help."""
    hint: str = LATER
    after: float | None = None
    """Seconds that the API asks to wait."""
    too_long: bool = False
    """The conversation no longer fits into the model."""


def trouble(error: BaseException) -> Trouble | None:
    """Return what an error of a call means; `None` if it is none of the API's or network's."""
    match error:
        case anthropic.APIStatusError():
            return _refused(error)
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return Trouble(what="the model API did not answer in time", passes=True)
        case anthropic.APIConnectionError():
            cause = f" ({type(error.__cause__).__name__})" if error.__cause__ else ""
            return Trouble(what=f"no connection to the model API{cause}", passes=True)
        case DroppedError() | httpx2.RequestError() | httpx2.StreamError():
            return Trouble(what="the model's answer broke off", passes=True)
        case json.JSONDecodeError() | GarbledError() | anthropic.APIError():
            return Trouble(what="the model API's answer makes no sense", passes=True)
    return None


def _refused(error: anthropic.APIStatusError) -> Trouble:
    code, message = error.status_code, _message(error)
    what, said = f"the model API says {code}: {message}", message.lower()
    named = "spend_limit" in (error.error_code or "") or error.type == "billing_error"
    if named or code == 402 or (code == 400 and any(word in said for word in MONEY_WORDS)):
        return Trouble(what=what, passes=False, hint=MONEY_HINT)
    if code == 413 or (code == 400 and any(words in said for words in TOO_LONG)):
        return Trouble(what=what, passes=False, too_long=True, hint=HINTS[400])
    passes = error.type in PASSING_TYPES if code < 300 else code in PASSING or code >= 500
    hint = LATER if passes else HINTS.get(code, LATER)
    return Trouble(what=what, passes=passes, hint=hint, after=retry_after(error.response.headers))


def _message(error: anthropic.APIStatusError) -> str:
    """Return the API's own words, escaped and capped; should they hold the key, without it."""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    said = error.api_message if isinstance(error.api_message, str) else None
    words = said or error.type or "no message"
    return escaped(words.replace(key, "(the key)") if key else words)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait: milliseconds, seconds or a date."""
    with suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    given = headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(given))
    with suppress(ValueError, TypeError):
        # The API's own clock, where it says what that is: ours may have been set.
        asked = headers.get("date")
        asked_at = parsedate_to_datetime(asked).timestamp() if asked else time.time()
        return max(0.0, parsedate_to_datetime(given).timestamp() - asked_at)
    return None


def patiently(
    call: Callable[[], Answer], supervisor: Supervisor, sleep: Callable[[float], None]
) -> Answer:
    """Return what the call returns, made again for as long as its trouble may pass.

    Raises:
        ModelError: the trouble does not pass by itself, or did not in all this time.
        TooLongError: the request does not fit into the model.
        StopAskedError: the person asked to stop.
    """
    begun, waited = time.monotonic(), 0.0
    for attempt in count(1):
        try:
            return call()
        except Exception as error:
            found = trouble(error)
            if found is None:
                raise
            if found.too_long:
                raise TooLongError(found.what) from error
            if not found.passes:
                raise ModelError(found.what, hint=found.hint) from error
            pause = min(2.0**attempt + random.uniform(0, JITTER), MOST_WAIT)  # noqa: S311
            pause = max(pause, found.after or 0.0)  # the API asked not to come back before
            if max(waited, time.monotonic() - begun) + pause > PATIENCE_SECONDS:
                what = f"{found.what}; this was so for {PATIENCE_SECONDS / 3600:g} hours"
                raise ModelError(what, hint=LATER) from error
        supervisor.waiting(found.what, pause)
        for second in range(math.ceil(pause)):
            if supervisor.stop_asked():
                raise StopAskedError
            sleep(min(1.0, pause - second))
        waited += pause
    raise AssertionError("it is tried until it returns or raises")
