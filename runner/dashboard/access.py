"""Who may see the dashboard, and what a page may do: checked before any page is made.

A token is printed as a link. Whoever opens it gets a cookie that no script can read and that no
other site can make a browser send; without one there is nothing to see. An action has to carry a
second token, which only pages of this server hold.

What this does not protect against: other users' eyes where `--host` is no loopback address, for
there is no encryption; another server on this host that the same browser visits, for a cookie
knows no port; a program that reads this process's memory.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
SAFE = ("GET", "HEAD")
NO_ENTRY = "open the link that `runner dashboard` printed: it holds the token\n"
WRONG_HOST = "this dashboard is not reached by that name\n"
WRONG_ORIGIN = "another site may not do this\n"


def _secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What opens the dashboard; made anew at each start, and never written down."""

    port: int
    host: str = LOOPBACK[1]
    """What the server listens on."""
    token: str = field(default_factory=_secret)
    """In the link."""
    cookie: str = field(default_factory=_secret)
    control: str = field(default_factory=_secret)
    """In the forms of pages, where actions are allowed."""

    @property
    def cookie_name(self) -> str:
        return f"runner_{self.port}"

    @property
    def link(self) -> str:
        name = LOOPBACK[1] if self.host in ANYWHERE else self.host
        name = f"[{name}]" if ":" in name else name
        return f"http://{name}:{self.port}/enter?{urlencode({'token': self.token})}"

    def is_token(self, said: str) -> bool:
        return secrets.compare_digest(said.encode(), self.token.encode())

    def is_control(self, said: str) -> bool:
        return secrets.compare_digest(said.encode(), self.control.encode())

    def names(self, host: str) -> bool:
        """Say whether a request's `Host` is a name of this server, whatever port it was sent to.

        A port may be forwarded under another number. An address cannot be made to mean another
        machine, as a name can; so where the server listens everywhere, addresses are names of it.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in (*LOOPBACK, self.host.lower()):
            return True
        return self.host in ANYWHERE and (_is_address(name) or name == socket.gethostname().lower())

    def entered(self, request: HTTPConnection) -> bool:
        """Say whether a request brings the cookie."""
        found = request.cookies.get(self.cookie_name, "")
        return secrets.compare_digest(found.encode(), self.cookie.encode())

    def enter(self, response: Response) -> None:
        """Give the browser the cookie."""
        response.set_cookie(
            self.cookie_name, self.cookie, httponly=True, samesite="strict", path="/"
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Refuses requests from elsewhere, and says with every answer what the page may do."""

    OPEN = ("/enter", "/static/")
    """Where the cookie is not asked for: nothing there is about a run."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: dict[str, Any] | Scope) -> Response | None:
        request = HTTPConnection(scope)
        host = request.headers.get("host", "")
        if not self._keys.names(host):
            return PlainTextResponse(WRONG_HOST, 421)
        if not _same_origin(request.headers, host, safe=scope["method"] in SAFE):
            return PlainTextResponse(WRONG_ORIGIN, 403)
        if scope["path"].startswith(self.OPEN) or self._keys.entered(request):
            return None
        return PlainTextResponse(NO_ENTRY, 401)


def _same_origin(headers: Headers, host: str, *, safe: bool) -> bool:
    """Say whether a page of this server asks, or a person; what changes something must say so."""
    origin = headers.get("origin")
    if origin is None:
        return safe
    return origin == f"http://{host}"
