"""The one way out of an agent's box: its calls to a model, held to terms, paid, and passed on.

The agent speaks HTTP to a Unix socket, without a key. What it asks is read whole, held to a list of
what is allowed, and said again in our own words to the provider's endpoint; the key is added there.
What comes back is passed on event by event, without the key should anything echo it.

| how a call ends | charged |
|---|---|
| whole | what the provider says |
| whole, and what it says are no numbers | what was set aside |
| broken off, or the client hung up | what was set aside |
| refused by the provider, or it was not reached | nothing |
| refused here, for good or while other calls have the money set aside | nothing, and no entry |

What this does not protect against: what the model is told leaves the machine, and a provider that
bills what it never reports.
"""

from __future__ import annotations

import asyncio
import math
import time
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal

from runner.errors import ConfigError, ModelError, RunnerError, SpentError
from runner.gateway import events
from runner.gateway.anthropic import MessagesApi
from runner.gateway.openai import OpenAiApi
from runner.gateway.terms import Held, Kind, Meter, ModelApi, RefusedError, Terms
from runner.gateway.wire import Request, Wire
from runner.money.prices import HIDDEN_TOKENS
from runner.providers import HINTS, LATER, MONEY_HINT, MONEY_WORDS, Provider
from runner.records import ModelCall, Usage
from runner.sandbox.evidence import escaped
from runner.seams import SetAsideError

SOCKET = "gateway.sock"
LONGEST_PATH = 100
APIS: Mapping[str, ModelApi] = {"anthropic": MessagesApi(), "openai": OpenAiApi()}
SILENCE_SECONDS = 600.0
"""An answer that is no stream says nothing until it is whole."""
PASSED_ON = ("content-type", "request-id", "x-request-id", "retry-after", "retry-after-ms")
"""Headers of an answer that go on to the client."""
SET_ASIDE_SECONDS = 30
"""After which a client may ask again for a call that other calls leave no money for now."""
HIDDEN = b"(the key)"
MOST_OUTCOME = 60
MOST_WORDS = 300
"""Characters of what a provider says of its refusal, for the person."""
ACCOUNT = (401, 402, 403)
"""Answers that are about our account, which the client neither knows nor can mend."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What one box may ask for."""

    body_bytes: int = 8 * 1024 * 1024
    answer_bytes: int = 64 * 1024 * 1024
    output_tokens: int = 64_000
    calls_a_minute: int = 120
    connections: int = 16
    request_seconds: float = 30.0
    """In which a request has to have come in."""
    call_seconds: float = 900.0


class Gateway:
    """Serves the calls of one proposal."""

    def __init__(
        self,
        provider: Provider,
        *,
        key: str | None,
        models: Collection[str],
        reserved: Callable[[float], AbstractContextManager[None]],
        record: Callable[[ModelCall], None],
        said: Callable[[str, Any], None],
        agent: str,
        experiment: int,
        searches: int = 0,
        domains: tuple[str, ...] = (),
        caps: Caps = Caps(),
    ) -> None:
        """Take what calls are held to.

        Args:
            provider: where calls go.
            key: what opens it; it stays in this object.
            models: those that may be asked; each needs a price.
            reserved: sets US dollars aside while a call is made, and raises `SpentError`, or
                at once `SetAsideError`: waiting would hold up all calls of the box.
            record: writes down what a call cost.
            said: keeps a message for the person: all that the model was told, and what it answered
                as far as the client tells it again.
            agent: whose calls they are, as the journal names it.
            experiment: what they are made for.
            searches: of the web, by the provider, that the phase allows; Anthropic's only.
            domains: what may be searched.
            caps: what one box may ask for.

        Raises:
            ConfigError: a model has no price.
        """
        for model in models:
            provider.prices.of(model)
        self._provider, self._key, self._api = provider, key, APIS[provider.protocol]
        self._reserved, self._record, self._said = reserved, record, said
        self._agent, self._experiment, self._caps = agent, experiment, caps
        self._terms = Terms(
            models=frozenset(models),
            output_tokens=caps.output_tokens,
            searches=searches,
            domains=domains,
            free=provider.free,
        )
        self._recent: deque[float] = deque(maxlen=caps.calls_a_minute)
        self._connections = 0
        self._trouble: RunnerError | None = None
        self._fault: Exception | None = None

    def check(self) -> None:
        """Raise why the agent cannot go on, where that is not its own doing.

        Raises:
            SpentError: its last call did not fit into what is left to spend.
            ModelError: the provider did not answer the last call whole, or refuses the account.
            Exception: a fault of ours, as a journal that cannot be written.
        """
        for found in (self._fault, self._trouble):
            if found is not None:
                raise found

    @contextmanager
    def listening(self, folder: Path) -> Iterator[Path]:
        """Serve on a socket in a folder, from a thread of its own, until this is left.

        Every user who can enter the folder can connect. Calls under way are broken off at the end.

        Raises:
            ConfigError: the folder's path is too long for a socket.
        """
        path = folder / SOCKET
        if len(bytes(path)) > LONGEST_PATH:
            raise ConfigError(
                f"{path} is too long for a socket", hint="set TMPDIR to a shorter path"
            )
        with start_blocking_portal() as portal:
            served, scope = portal.start_task(self._serve, path)
            try:
                yield path
            finally:
                portal.call(scope.cancel)
                served.result()
                path.unlink(missing_ok=True)

    async def _serve(self, path: Path, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=10.0)
        async with (
            httpx2.AsyncClient(timeout=timeout) as self._client,
            anyio.create_task_group() as tasks,
            await asyncio.start_unix_server(
                lambda reader, writer: tasks.start_soon(self._connected, reader, writer), path
            ) as server,
        ):
            path.chmod(0o666)
            task_status.started(tasks.cancel_scope)
            await server.serve_forever()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer the one request of a connection; nothing that comes in on it ends the rest."""
        try:
            if self._connections < self._caps.connections:
                self._connections += 1
                try:
                    await self._answered(Wire(reader, writer))
                    writer.close()
                    with anyio.move_on_after(self._caps.request_seconds):
                        await writer.wait_closed()
                finally:
                    self._connections -= 1
        except (ConnectionError, EOFError):
            pass  # the client has gone
        except Exception as error:
            self._fault = error
        finally:
            writer.transport.abort()

    async def _answered(self, wire: Wire) -> None:
        try:
            with _within(self._caps.request_seconds, Kind.TOO_SLOW, "the request took too long"):
                request = await wire.request(self._caps.body_bytes)
            await self._call(wire, self._held(request))
        except RefusedError as refused:
            if wire.begun:
                return  # the answer breaks off, and the client sees that
            status, content = self._api.error(refused.kind, str(refused))
            after = [] if refused.after is None else [("retry-after", f"{refused.after:.0f}")]
            again = "true" if refused.kind in (Kind.TOO_MANY, Kind.UNREACHABLE) else "false"
            headers = [("x-should-retry", again), *after]
            await wire.whole(status, content, headers)

    def _held(self, request: Request) -> Held:
        """Return the call as it may be made; raise `RefusedError` where it may not."""
        now = time.monotonic()
        if len(self._recent) == self._recent.maxlen and now - self._recent[0] < 60:
            after = math.ceil(60 - (now - self._recent[0]))
            most = self._caps.calls_a_minute
            raise RefusedError(Kind.TOO_MANY, f"at most {most} calls a minute", after=after)
        self._recent.append(now)
        if request.query not in ("", "beta=true"):
            raise RefusedError(Kind.NO_ENDPOINT, "a query is not passed on")
        said = events.parsed(request.body) if request.body else None
        if request.body and said is None:
            raise RefusedError(Kind.INVALID, "the body is no JSON object")
        try:
            held = self._api.hold(request.method, request.path, said, self._terms)
        except RecursionError as error:
            raise RefusedError(Kind.INVALID, "the body is nested too deeply") from error
        return replace(held, headers=self._api.headers(request.headers))

    async def _call(self, wire: Wire, held: Held) -> None:
        """Make a call, with what it may cost set aside, and write down what it cost."""
        content = held.content()
        if not held.metered:
            await self._made(wire, held, content, self._api.meter(held), Charge(0.0, 0))
            return
        usd = self._worst(held, len(content))
        meter, begun = self._api.meter(held), time.monotonic()
        try:
            with self._reserved(usd):
                charge = Charge(usd, held.searches)
                self._terms = replace(self._terms, searches=self._terms.searches - held.searches)
                try:
                    await self._made(wire, held, content, meter, charge)
                finally:
                    usage = meter.usage() if meter.whole else None
                    if usage is not None:
                        charge.searches = usage.web_searches
                        charge.usd = self._provider.prices.dearer(held.model, meter.model, usage)
                    left = self._terms.searches + held.searches - charge.searches
                    self._terms = replace(self._terms, searches=max(0, left))
                    self._judge(meter)
                    outcome = meter.outcome if meter.whole else charge.outcome or "broken"
                    self._record(
                        ModelCall(
                            experiment=self._experiment,
                            agent=self._agent,
                            model=held.model,
                            usage=usage or Usage(),
                            usd=charge.usd,
                            seconds=time.monotonic() - begun,
                            outcome=outcome[:MOST_OUTCOME],
                        )
                    )
                    for role, message in held.messages():
                        self._said(role, message)
        except SetAsideError as error:
            raise RefusedError(Kind.TOO_MANY, str(error), after=SET_ASIDE_SECONDS) from error
        except SpentError as error:
            self._trouble = error
            raise RefusedError(Kind.SPENT, f"the run's budget is spent: {error}") from error

    def _judge(self, meter: Meter) -> None:
        """Keep that the provider failed, or forget what went wrong before this call.

        A client may hang up once it has heard the end, so that this is asked after the call. Calls
        that cost nothing are not: they do not show that others would be answered.
        """
        if meter.failure:
            name = self._without_key(meter.failure.encode(errors="replace")).decode()
            what = f"the model's answer failed: {escaped(name[:MOST_OUTCOME])}"
            self._trouble = ModelError(what, hint=LATER)
        elif meter.ended:
            self._trouble = None

    def _worst(self, held: Held, size: int) -> float:
        """Bound what a call may cost, in US dollars: a token is a byte at least."""
        given = size + HIDDEN_TOKENS + held.more_tokens
        return self._provider.prices.worst_case(
            held.model,
            input_tokens=given,
            output_tokens=held.output_tokens,
            searches=held.searches,
        )

    async def _made(
        self, wire: Wire, held: Held, content: bytes, meter: Meter, charge: Charge
    ) -> None:
        """Make a call, for as long as the client waits for it."""
        failure: Exception | None = None  # raised below: a group of tasks would wrap it
        async with anyio.create_task_group() as both:

            async def until_hung_up() -> None:
                with suppress(ConnectionError):
                    await wire.reader.read(1)  # another request is a hang-up, too
                charge.outcome = charge.outcome or "the client hung up"
                both.cancel_scope.cancel()

            both.start_soon(until_hung_up)
            try:
                with _within(self._caps.call_seconds, Kind.UNREACHABLE, "the call took too long"):
                    await self._asked(wire, held, content, meter, charge)
            except Exception as error:
                failure = error
            both.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _asked(
        self, wire: Wire, held: Held, content: bytes, meter: Meter, charge: Charge
    ) -> None:
        """Make a call with our key, and pass its answer on."""
        headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "autoresearch-runner",
            **held.headers,
            **(self._api.credentials(self._key) if self._key else {}),
        }
        method, url = "POST" if held.body else "GET", self._provider.address + held.endpoint
        sent = content if held.body else None
        try:
            async with self._client.stream(method, url, content=sent, headers=headers) as answer:
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise self._away("the provider packs its answers, though asked not to")
                if answer.status_code != 200:
                    charge.nothing(f"status {answer.status_code}")
                if held.streams and answer.status_code == 200:
                    await self._streamed(wire, answer, held, meter)
                else:
                    await self._document(wire, answer, meter)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            charge.nothing("unreachable")
            what = f"no connection to the model's API ({type(error).__name__})"
            raise self._away(what) from error
        except (httpx2.HTTPError, events.TooLongError) as error:
            charge.outcome = type(error).__name__
            raise self._away(f"the model's answer broke off ({type(error).__name__})") from error

    async def _streamed(
        self, wire: Wire, answer: httpx2.Response, held: Held, meter: Meter
    ) -> None:
        """Pass a stream on, event by event as they come together, and hear what was used."""
        await wire.begin(200, self._passed_on(answer))
        async for batch in events.batches(answer.aiter_raw()):
            kept = []
            for event in batch:
                found = events.document(event)
                if not (found and meter.hear(found) and held.hidden):
                    kept.append(event)
            await wire.send(self._without_key(b"".join(kept)))
        if not meter.ended:
            self._trouble = ModelError("the model's answer ended before its last event", hint=LATER)
        await wire.end()

    async def _document(self, wire: Wire, answer: httpx2.Response, meter: Meter) -> None:
        """Pass an answer on that is one document, be it an error's."""
        content = bytearray()
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > self._caps.answer_bytes:
                raise events.TooLongError
        whole, document = bytes(content), events.parsed(bytes(content)) or {}
        if answer.status_code == 200:
            meter.read(document)
        else:
            self._refused(answer.status_code, document)
        await wire.whole(answer.status_code, self._without_key(whole), self._passed_on(answer))

    def _refused(self, status: int, document: Mapping[str, Any]) -> None:
        """Keep what the provider refuses, unless it is the request, which is the agent's own.

        Raises:
            RefusedError: it is about our account; its words may hold parts of the key.
        """
        error = document.get("error")
        said = str(error.get("message") if isinstance(error, Mapping) else error or "")
        money = status == 400 and any(word in said.lower() for word in MONEY_WORDS)
        if status not in (400, 413, 422) or money:
            words = self._without_key(said[:MOST_WORDS].encode(errors="replace")).decode()
            hint = MONEY_HINT if money else HINTS.get(status, LATER)
            what = f"the model's API says {status}: {escaped(words)}"
            self._trouble = ModelError(what, hint=hint)
        if status in ACCOUNT or money:
            what = "the provider refuses the account of this run"
            raise RefusedError(Kind.NO_ACCOUNT, what)

    def _away(self, what: str) -> RefusedError:
        """Keep why the provider does not answer, and return it for the client."""
        self._trouble = ModelError(what, hint=LATER)
        return RefusedError(Kind.UNREACHABLE, what)

    def _passed_on(self, answer: httpx2.Response) -> list[tuple[str, str]]:
        """Return the headers of an answer that are for the client."""
        return [
            (name, self._without_key(answer.headers[name].encode()).decode())
            for name in PASSED_ON
            if name in answer.headers
        ]

    def _without_key(self, content: bytes) -> bytes:
        return content.replace(self._key.encode(), HIDDEN) if self._key else content


@dataclass
class Charge:
    """What a call under way costs if nothing more is heard, and how it ended."""

    usd: float
    searches: int
    outcome: str = ""

    def nothing(self, outcome: str) -> None:
        self.usd, self.searches, self.outcome = 0.0, 0, outcome


@contextmanager
def _within(seconds: float, kind: Kind, message: str) -> Iterator[None]:
    try:
        with anyio.fail_after(seconds):
            yield
    except TimeoutError as error:
        raise RefusedError(kind, message) from error
