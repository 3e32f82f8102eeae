"""What a failed call means: wait and ask again, or pause the run and say what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import anthropic
import httpx2

from runner.sandbox.evidence import escaped

PASSING_TYPES = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
"""Errors that a stream may end with, under the status 200 with which it began."""
PASSING = (408, 409, 429)
TOO_LONG = ("prompt is too long", "context window", "context limit")
OUR_SIDE = "the run goes on with: runner run --resume TAG"
HINTS = {
    400: f"the API does not take this request; if a newer version does, {OUR_SIDE}",
    401: f"check ANTHROPIC_API_KEY; then {OUR_SIDE}",
    402: f"the account has no credit; add some, then {OUR_SIDE}",
    403: f"the key may not use this; ask for the permission, then {OUR_SIDE}",
    404: "the API does not know this model; start a run with another: --agent claude:MODEL",
}
MONEY_HINT = f"the account's credit or spend limit is reached; raise it, then {OUR_SIDE}"
MONEY_WORDS = ("credit", "billing", "spend limit", "usage limit")


class DroppedError(Exception):
    """The answer began, or should have, and did not come to its end."""


class TooLongError(Exception):
    """The conversation no longer fits into the model."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What a failed call means."""

    what: str
    passes: bool
    """Whether asking again later may help."""
    hint: str = OUR_SIDE
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
            return Trouble(what=f"no connection to the model API{_cause(error)}", passes=True)
        case DroppedError() | httpx2.RequestError() | httpx2.StreamError():
            return Trouble(what="the model's answer broke off", passes=True)
        case json.JSONDecodeError() | anthropic.APIError():
            return Trouble(what="the model API's answer makes no sense", passes=True)
    return None


def _refused(error: anthropic.APIStatusError) -> Trouble:
    what = f"the model API says {error.status_code}: {_message(error)}"
    if _is_about_money(error):
        return Trouble(what=what, passes=False, hint=MONEY_HINT)
    if error.status_code == 413 or (error.status_code == 400 and _is_too_long(error)):
        return Trouble(what=what, passes=False, too_long=True, hint=HINTS[400])
    passes = _passes(error)
    hint = OUR_SIDE if passes else HINTS.get(error.status_code, OUR_SIDE)
    return Trouble(what=what, passes=passes, hint=hint, after=retry_after(error.response.headers))


def _passes(error: anthropic.APIStatusError) -> bool:
    if error.status_code < 300:
        return error.type in PASSING_TYPES
    return error.status_code in PASSING or error.status_code >= 500


def _is_about_money(error: anthropic.APIStatusError) -> bool:
    code, kind = error.error_code or "", error.type or ""
    named = "spend_limit" in code or kind == "billing_error" or error.status_code == 402
    words = error.status_code == 400 and any(w in _message(error).lower() for w in MONEY_WORDS)
    return named or words


def _is_too_long(error: anthropic.APIStatusError) -> bool:
    return any(words in _message(error).lower() for words in TOO_LONG)


def _message(error: anthropic.APIStatusError) -> str:
    """Return the API's own words, escaped and capped; should they hold the key, without it."""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    said = error.api_message if isinstance(error.api_message, str) else None
    words = said or error.type or "no message"
    return escaped(words.replace(key, "(the key)") if key else words)


def _cause(error: BaseException) -> str:
    return f" ({type(error.__cause__).__name__})" if error.__cause__ else ""


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
