"""HTTP/1.1 on a stream: one request, one answer, and the connection is over.

A request is read whole, within seconds and bytes, before anything comes of it. What follows it is
never read as another. Its length is said once, by Content-Length: chunks are refused, and so two
lengths that disagree. So nothing can be smuggled in a request, whatever stands behind it.
"""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import h11

from runner.gateway.terms import Kind, RefusedError

MOST_HEAD = 64 * 1024
PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Wire:
    """The server's end of one connection."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        self.begun = False
        """Whether an answer has begun."""
        self._bodiless = False
        """Whether HTTP allows the answer no body, as after HEAD."""

    async def request(self, most_bytes: int) -> Request:
        """Return the request.

        Raises:
            RefusedError: it is not one of ours.
            EOFError: there is none.
            ConnectionError: the client has gone.
        """
        try:
            return await self._request(most_bytes)
        except h11.RemoteProtocolError as error:
            raise RefusedError(Kind.INVALID, f"this is no HTTP/1.1: {error}") from error

    async def _request(self, most_bytes: int) -> Request:
        head = await self._event()
        if not isinstance(head, h11.Request):
            raise RefusedError(Kind.INVALID, "a request is expected here")
        self._bodiless = head.method == b"HEAD"
        if head.http_version != b"1.1":
            raise RefusedError(Kind.INVALID, "only HTTP/1.1 is spoken here")
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        for name in ("transfer-encoding", "content-encoding", "upgrade"):
            if name in headers:
                raise RefusedError(Kind.INVALID, f"{name} is not allowed; say Content-Length")
        # h11 has seen to it that this is one number.
        if int(headers.get("content-length", "0")) > most_bytes:
            raise RefusedError(Kind.TOO_LARGE, f"a body holds at most {most_bytes} bytes")
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._send(go_on)
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        if self._http.trailing_data[0]:
            raise RefusedError(Kind.INVALID, "one connection takes one request")
        path, _, query = head.target.decode("ascii").partition("?")
        return Request(
            method=head.method.decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            body=bytes(body),
        )

    async def whole(
        self, status: int, content: bytes, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Answer with a document of JSON."""
        kept = [(name, value) for name, value in headers if name != "content-type"]
        length = ("content-length", str(len(content)))
        await self.begin(status, [*kept, ("content-type", "application/json"), length])
        await self.send(content)
        await self.end()

    async def begin(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Begin an answer; without a length it goes out in chunks."""
        self.begun = True
        whole = [*headers, ("connection", "close")]
        await self._send(h11.Response(status_code=status, headers=whole))

    async def send(self, content: bytes) -> None:
        if content and not self._bodiless:
            await self._send(h11.Data(data=content))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            content = await self.reader.read(PIECE)
            if not content:
                raise EOFError
            self._http.receive_data(content)
        return event

    async def _send(self, event: h11.Event) -> None:
        content = self._http.send(event)
        if content:
            self._writer.write(content)
            await self._writer.drain()
