"""The addresses of the dashboard, and what answers each: one reader a request, one page each."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from runner import charts, control
from runner.characters import visible
from runner.dashboard import pages, watching
from runner.dashboard.access import Guard, Keys
from runner.dashboard.door import Door
from runner.dashboard.pages import NotThere
from runner.dashboard.table import Shown
from runner.dashboard.watching import Watch
from runner.ends import Wish
from runner.errors import ConfigError, RunnerError
from runner.journal.reader import Reader
from runner.paths import State
from runner.records import Run
from runner.views import lines
from runner.views.overview import Overview

THEMES = ("auto", "light", "dark")
YEAR = 365 * 24 * 3600
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
HTMX = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "attributesToSettle": ["class"],
    "defaultSettleDelay": 0,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    "selfRequestsOnly": True,
}
"""How htmx is to behave: no code from attributes, nothing from elsewhere, nothing kept on disk.

Without a delay a link that was just shown is htmx's at once, and no click opens a new page.
"""
LOG_PAGE_BYTES = 1_000_000
MOST_FORM = 20_000
"""Bytes."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is served, and to whom."""

    state: State
    keys: Keys
    control: bool = False
    """Whether pages may do something."""
    ending: Callable[[], bool] = field(default=lambda: False)

    @contextmanager
    def journal(self) -> Iterator[Reader]:
        if not self.door.is_there:
            raise NotThere("there are no runs yet")
        with self.door.reader() as reader:
            yield reader

    @cached_property
    def door(self) -> Door:
        return Door(self.state.journal)

    @cached_property
    def static(self) -> Mapping[str, tuple[bytes, str]]:
        """What pages load: name → bytes and type."""
        folder = resources.files("runner.dashboard") / "static"
        found = {each.name: each.read_bytes() for each in folder.iterdir()}
        found["charts.css"] = charts.stylesheet().encode()
        ends = {name: TYPES.get(name.rpartition(".")[2], "text/plain") for name in found}
        return {name: (content, ends[name]) for name, content in found.items()}

    def asset(self, name: str) -> str:
        """Return the address of what pages load, which changes with its bytes."""
        digest = hashlib.sha256(self.static[name][0]).hexdigest()[:10]
        return f"/static/{name}?v={digest}"

    @cached_property
    def templates(self) -> Environment:
        """All text in a page is escaped, and what is not seen is made visible, by construction."""
        made = Environment(
            loader=PackageLoader("runner.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        made.globals |= {
            "asset": self.asset,
            "htmx": json.dumps(HTMX),
            "run_link": pages.run_link,
            "themes": THEMES,
            "control": self.keys.control if self.control else None,
            "duration": lines.duration,
            "money": lines.money,
        }
        made.filters |= {"line": lines.plain, "json": _json}
        return made

    def text(self, request: Request, template: str, **values: Any) -> str:
        theme = request.cookies.get("theme", "auto")
        shown = {
            "theme": theme if theme in THEMES else "auto",
            "here": f"{request.url.path}?{request.url.query}".rstrip("?"),
            "part": request.headers.get("hx-request") == "true",
            "run": None,
            "tab": "",
        }
        return self.templates.get_template(template).render(shown | values)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return _html(self.text(request, template, **values), status)


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, headers={"vary": "HX-Request"})


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class _Whole(IntegerConvertor):
    """A number of an experiment or a hypothesis; with more digits it is none, and no integer."""

    regex = "[0-9]{1,18}"


register_url_convertor("whole", _Whole())


def application(site: Site) -> Guard:
    """Return the server's application, behind its guard."""
    routes = [
        Route("/enter", partial(_enter, site)),
        Route("/static/{name}", partial(_static, site)),
        Route("/theme", partial(_theme, site), methods=["POST"]),
        Route("/", partial(_runs, site)),
        Route("/compare", partial(_compare_runs, site)),
        Route("/runs/{tag}", partial(_overview, site)),
        Route("/runs/{tag}/events", partial(_events, site)),
        Route("/runs/{tag}/experiments/{number:whole}", partial(_experiment, site)),
        Route("/runs/{tag}/experiments/{number:whole}/logs/{name}", partial(_log, site)),
        Route("/runs/{tag}/lineage", partial(_lineage, site)),
        Route("/runs/{tag}/log", partial(_happened, site)),
        Route("/runs/{tag}/hypotheses", partial(_hypotheses, site)),
        Route("/runs/{tag}/hypotheses", partial(_add, site), methods=["POST"]),
        Route("/runs/{tag}/hypotheses/{number:whole}/drop", partial(_drop, site), methods=["POST"]),
        Route("/runs/{tag}/ask", partial(_ask, site), methods=["POST"]),
        Route("/runs/{tag}/compare", partial(_compare, site)),
    ]
    handlers: Mapping[Any, Any] = {
        NotThere: partial(_missing, site),
        RunnerError: partial(_failed, site),
        404: partial(_missing, site),
    }
    compressed = Middleware(GZipMiddleware, compresslevel=6)
    inside = Starlette(routes=routes, exception_handlers=handlers, middleware=[compressed])
    return Guard(inside, site.keys)


# -- around -------------------------------------------------------------------------------------


def _enter(site: Site, request: Request) -> Response:
    """Take the token and give a cookie.

    The browser goes on by itself from a page of ours, so that it sends a cookie that is strict
    also where the link was clicked on another site, as in a terminal in the browser.
    """
    if not site.keys.is_token(request.query_params.get("token", "")):
        return site.page(request, "enter.html", 401, entered=False, here="/")
    response = site.page(request, "enter.html", entered=True, here="/")  # not its token
    response.headers["refresh"] = "0; url=/"
    site.keys.enter(response)
    return response


def _static(site: Site, request: Request) -> Response:
    found = site.static.get(request.path_params["name"])
    if found is None:
        raise NotThere("there is no such file")
    content, kind = found
    kept = {"cache-control": f"public, max-age={YEAR}, immutable"}
    return Response(content, media_type=kind, headers=kept)


async def form_of(request: Request) -> dict[str, str]:
    """Return what a form says; what is too long for one of ours is refused."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM:
            raise NotThere("that is too long for a form of this page")
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


async def _theme(_site: Site, request: Request) -> Response:
    said = await form_of(request)
    theme, back = said.get("theme", ""), said.get("back", "/")
    local = back.startswith("/") and not back.startswith(("//", "/\\"))
    response = RedirectResponse(back if local else "/", 303)
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR, httponly=True, samesite="strict")
    return response


def _missing(site: Site, request: Request, error: Exception) -> Response:
    words = str(error) if isinstance(error, NotThere) else "there is no such page"
    return site.page(request, "missing.html", 404, words=words, hint="")


def _failed(site: Site, request: Request, error: RunnerError) -> Response:
    status = 400 if isinstance(error, ConfigError) else 503
    return site.page(request, "missing.html", status, words=str(error), hint=error.hint)


# -- pages --------------------------------------------------------------------------------------


def _runs(site: Site, request: Request) -> Response:
    if not site.door.is_there:
        return site.page(request, "runs.html", tasks={}, count=0, page=1, pages=1)
    with site.journal() as journal:
        found = pages.all_runs(site.door, journal, site.state, _number(request, "page", 1))
    return site.page(request, "runs.html", **found)


SAME = ("hero", "now")
"""Parts of a run's page that are the same whatever its address asks for."""
OWN = ("charts", "experiments")


def _overview(site: Site, request: Request) -> Response:
    """Answer with a run's page, or with the one part of it that a page asks for anew."""
    target, tag = request.headers.get("hx-target", ""), request.path_params["tag"]
    with site.journal() as journal:
        if target not in OWN:
            return site.page(request, "overview.html", **_values(site, request, journal, OWN))
        # Many pages ask for the same, when something is new. Its text is what is shared: what goes
        # out is one request's own, since compressing changes it.
        key = ("part", target, tag, request.url.query, *pages.moment(journal, site.state, tag))
        made = partial(_values, site, request, journal, (target,))
        text = partial(site.text, request, f"parts/{target}.html")
        return _html(site.door.once(key, lambda: text(**made())))


def _values(
    site: Site, request: Request, journal: Reader, wanted: tuple[str, ...]
) -> dict[str, Any]:
    """Return what these parts of a run's page show, with what is the same on all of them."""
    run = pages.find_run(journal, request.path_params["tag"])
    found = pages.overview(site.door, journal, site.state, run)
    shown = Shown.of(request.query_params)
    seq = journal.head(run.tag).seq
    values = _same(found) | {"tab": "overview", "shown": shown, "seq": seq}
    if "charts" in wanted:
        values["charts"] = pages.charts(
            site.door,
            journal,
            found,
            first=_number(request, "from", 0),
            last=_number(request, "to", 0) or None,
            logarithmic=request.query_params.get("scale") == "log",
        )
    if "experiments" in wanted:
        alive = found.progress is not None and found.progress.alive
        values["table"] = pages.table(journal, run, shown, running=alive)
    return values


def _same(found: Overview) -> dict[str, Any]:
    return {"run": found.run, "hero": pages.hero(found), "now": pages.now(found)}


def _events(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])

    def parts() -> Mapping[str, str]:
        with site.journal() as journal:
            key = ("same", run.tag, *pages.moment(journal, site.state, run.tag))
            return site.door.once(key, lambda: made(journal))

    def made(journal: Reader) -> Mapping[str, str]:
        values = _same(pages.overview(site.door, journal, site.state, run))
        found = {name: site.templates.get_template(f"parts/{name}.html") for name in SAME}
        return {name: template.render(values) for name, template in found.items()}

    watch = Watch(site.door, site.state, run.tag)
    told = watching.events(watch, parts, _number(request, "seq", 0), site.ending)
    return StreamingResponse(told, media_type="text/event-stream")


def _experiment(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
        found = pages.experiment(journal, site.state, run, request.path_params["number"])
    return site.page(request, "experiment.html", **found)


def _log(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
    number, name = request.path_params["number"], request.path_params["name"]
    folder = site.state.logs(run.tag, number)
    if name not in (each.name for each in folder.glob("*.log")):
        raise NotThere("there is no such log")
    found = pages.log_end(folder / name, LOG_PAGE_BYTES)
    return site.page(request, "log.html", run=run, number=number, name=name, log=found)


def _lineage(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
        found = pages.lineage(journal, run, _number(request, "page", 1))
    return site.page(request, "lineage.html", tab="lineage", **found)


def _happened(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
        found = pages.happened(journal, run, _number(request, "page", 1))
    return site.page(request, "happened.html", tab="log", **found)


def _hypotheses(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
        found = journal.hypotheses(run.tag)[::-1]
    return site.page(request, "hypotheses.html", tab="hypotheses", run=run, found=found)


def _compare(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        run = pages.find_run(journal, request.path_params["tag"])
        best = journal.best(run.tag) or 0
        first, second = _number(request, "a", 0), _number(request, "b", best)
        found = pages.two_experiments(journal, site.state, run, first, second)
    return site.page(request, "compare.html", tab="compare", run=run, **found)


def _compare_runs(site: Site, request: Request) -> Response:
    with site.journal() as journal:
        known = [run.tag for run in journal.runs()][::-1]
        if not known:
            raise NotThere("there are no runs yet")
        said = [request.query_params.get(name, "") for name in ("a", "b")]
        tags = [tag or known[min(place, len(known) - 1)] for place, tag in enumerate(said)]
        found = pages.two_runs(site.door, journal, site.state, tags)
    return site.page(request, "compare_runs.html", known=known, tags=tags, **found)


def _number(request: Request, name: str, otherwise: int) -> int:
    said = request.query_params.get(name, "")
    return int(said) if said.isdecimal() and len(said) < 12 else otherwise


# -- actions ------------------------------------------------------------------------------------


async def _asked(site: Site, request: Request) -> tuple[Run, dict[str, str]]:
    """Return which run a form is about and what it says, where it may do something at all."""
    said = await form_of(request)
    if not site.control:
        raise NotThere("this dashboard only shows; for actions: runner dashboard --control")
    if not site.keys.is_control(said.get("control", "")):
        raise NotThere("this page is of an earlier start: load it again")
    with site.journal() as journal:
        return pages.find_run(journal, request.path_params["tag"]), said


async def _add(site: Site, request: Request) -> Response:
    run, said = await _asked(site, request)
    await run_in_threadpool(control.add_hypothesis, site.state, run.tag, said.get("text", ""))
    return RedirectResponse(pages.run_link(run.tag, "hypotheses"), 303)


async def _drop(site: Site, request: Request) -> Response:
    run, _ = await _asked(site, request)
    number = request.path_params["number"]
    await run_in_threadpool(control.drop_hypothesis, site.state, run.tag, number)
    return RedirectResponse(pages.run_link(run.tag, "hypotheses"), 303)


async def _ask(site: Site, request: Request) -> Response:
    """Have a run at work pause, go on, or end."""
    run, said = await _asked(site, request)
    wish = said.get("wish", "")
    if wish not in list(Wish):
        raise NotThere("there is no such wish")
    await run_in_threadpool(control.ask, site.state, run.tag, Wish(wish), via="the dashboard")
    return RedirectResponse(pages.run_link(run.tag), 303)


# -- serving ------------------------------------------------------------------------------------


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes one that is free.

    Raises:
        ConfigError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        hint = "choose another one: --port 8502, or --port 0 for any that is free"
        raise ConfigError(f"cannot listen on {host} port {port}: {error}", hint=hint) from error


def _prepare(site: Site) -> None:
    """Work out what the first page will show, while a person still looks for the link."""
    for name in site.templates.list_templates():
        site.templates.get_template(name)
    with suppress(RunnerError, NotThere), site.journal() as journal:
        for run in journal.runs()[-1:]:
            found = pages.overview(site.door, journal, site.state, run)
            pages.charts(site.door, journal, found, first=0, last=None, logarithmic=False)
            pages.experiment(journal, site.state, run, journal.newest(run.tag) or 0)


def serve(state: State, bound: socket.socket, *, keys: Keys, control: bool = False) -> None:
    """Serve until a person ends it."""
    servers: list[uvicorn.Server] = []
    site = Site(state=state, keys=keys, control=control, ending=lambda: servers[0].should_exit)
    config = uvicorn.Config(
        application(site),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    servers.append(uvicorn.Server(config))
    threading.Thread(target=_prepare, args=(site,), daemon=True).start()
    servers[0].run(sockets=[bound])
