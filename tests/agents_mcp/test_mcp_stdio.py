"""The server as clients start it: a process, spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from clients_side import WIDER, call, failing, propose
from fakes import make_session
from mcp import Client, StdioServerParameters

from runner.agents.mcp.clients import CLIENTS
from runner.agents.mcp.served_run import ServedRun
from runner.agents.mcp.server import NAME, make_server
from runner.cli import cli
from runner.commands import mcp as command
from runner.errors import StoppedError
from runner.paths import PROJECT
from runner.records import ExperimentStatus

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("stdio_driver.py")
TOOLS = {
    *("get_task", "read_file", "propose_experiment", "analyze", "history", "best"),
    "add_hypothesis",
}
COMMAND = PROJECT / ".claude" / "commands" / "autoresearch.md"


def server(folder: Path, *arguments: str, program: tuple[str, ...] = ()) -> StdioServerParameters:
    own = {"RUNNER_HOME": str(folder / "state"), "PYTHONPATH": str(PROJECT)}
    return StdioServerParameters(
        command=sys.executable,
        args=[*(program or (str(DRIVER), str(folder))), *arguments],
        env={**os.environ, **own},
        cwd=folder,
    )


def ask(parameters: StdioServerParameters, scenario) -> None:
    async def session() -> None:
        async with Client(parameters) as client:
            await scenario(client)

    asyncio.run(session())


def history(folder: Path):
    with make_session(folder, None) as session:
        return session.history


# -- the command itself -----------------------------------------------------------------------


def test_the_command_serves_its_tools_before_it_touches_an_engine(tmp_path):
    engineless = server(tmp_path, program=("-m", "runner", "mcp", "--task", "eclip"))
    engineless.env["DOCKER_HOST"] = f"unix://{tmp_path}/nobody.sock"

    async def scenario(client):
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        told = await failing(client, "get_task")
        assert "engine" in told
        assert "unset DOCKER_HOST" in told

    ask(engineless, scenario)


def test_every_tool_and_every_argument_says_what_it_is_for():
    async def scenario(client):
        for tool in (await client.list_tools()).tools:
            assert tool.description
            for name, schema in tool.input_schema["properties"].items():
                assert schema.get("description"), (tool.name, name)

    async def session() -> None:
        async with Client(make_server(ServedRun(None), answer_within=1)) as client:
            await scenario(client)

    asyncio.run(session())


def test_an_experiment_goes_over_standard_input_and_output(tmp_path):
    async def scenario(client):
        assert "Run t1" in await call(client, "get_task")
        assert "Experiment 1: KEPT" in await propose(client, **WIDER)

    ask(server(tmp_path), scenario)
    assert history(tmp_path)[1].origin.isolation == "none"


def test_a_server_that_is_started_again_goes_on_with_whatever_is_asked_first(tmp_path):
    async def first(client):
        await call(client, "get_task")
        await propose(client, **WIDER)

    async def again(client):
        assert "#1 kept" in await call(client, "history")
        assert "Best so far: experiment 1" in await call(client, "best")

    ask(server(tmp_path), first)
    ask(server(tmp_path), again)


def test_standard_output_holds_nothing_but_the_protocol(tmp_path):
    with started(tmp_path) as process:
        said = [say(process, number, message) for number, message in enumerate(OPENING, 1)]
        rest, errors = process.communicate()
    assert [message["id"] for message in said] == [1, 2]
    assert rest == ""
    assert "mean_rank" in errors  # the baseline's line, for people


def started(folder: Path, *arguments: str) -> subprocess.Popen:
    parameters = server(folder, *arguments)
    return subprocess.Popen(
        [parameters.command, *parameters.args],
        env=parameters.env,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def say(process: subprocess.Popen, number: int, message: dict) -> dict:
    """Send one request and return the line that answers it."""
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, **message}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def tool(name: str, **arguments) -> dict:
    return {"method": "tools/call", "params": {"name": name, "arguments": arguments}}


CLIENT = {"name": "test", "version": "1"}
OPENING = (
    {
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CLIENT},
    },
    tool("get_task"),
)


# -- calls that cannot be read, or mean nothing --------------------------------------------------

LONE = '"\\ud800"'
DEEP = "[" * 5_000 + "]" * 5_000
CALLS = {
    "a lone surrogate": f'{{"name": "propose_experiment", "arguments": {{"hypothesis": {LONE}}}}}',
    "one in a file": f'{{"name": "propose_experiment", "arguments": {{"files": {{"a": {LONE}}}}}}}',
    "one in a path": f'{{"name": "read_file", "arguments": {{"path": {LONE}}}}}',
    "one in a key": f'{{"name": "read_file", "arguments": {{{LONE}: 1}}}}',
    "the second of a pair": '{"name": "analyze", "arguments": {"script": "\\udc00"}}',
    "lists in lists": f'{{"name": "best", "arguments": {{"x": {DEEP}}}}}',
    "another id further in": f'{{"id": 4, "name": "best", "arguments": {{"x": {LONE}, "id": 5}}}}',
    "NUL": '{"name": "read_file", "arguments": {"path": "a\\u0000b"}}',
    "NUL in words": '{"name": "add_hypothesis", "arguments": {"text": "a\\u0000b"}}',
    "NUL in a file": '{"name": "propose_experiment", "arguments": {"hypothesis": "\\u0000",'
    ' "files": {"train.py": "\\u0000"}}}',
    "a huge number": '{"name": "propose_experiment", "arguments": {"hypothesis": "x",'
    f' "answers": {"9" * 400}}}}}',
    "a number out of any range": '{"name": "read_file", "arguments": {"path": 1e999}}',
    "a large number": '{"name": "propose_experiment", "arguments": {"hypothesis": "x",'
    ' "answers": 99999999999999999999999, "files": {"train.py": "A = 1"}}}',
    "no number": '{"name": "read_file", "arguments": {"path": NaN}}',
    "another type": '{"name": "read_file", "arguments": {"path": {"a": []}}}',
    "no tool's name": '{"name": 5, "arguments": {}}',
    "no such tool": '{"name": "run_shell", "arguments": {}}',
    "a list of arguments": '{"name": "read_file", "arguments": ["train.py"]}',
    "no arguments": '{"name": "read_file"}',
    "no parameters": "null",
    "a list of parameters": "[1, 2]",
    "not JSON": '{"name": read_file}',
    "cut off": '{"name": "read_file", "arguments": {"path": "tr',
    "a megabyte": f'{{"name": "read_file", "arguments": {{"path": "{"x" * 1_000_000}"}}}}',
}


def test_every_call_gets_an_answer(tmp_path):
    with started(tmp_path) as process:
        say(process, 1, OPENING[0])
        say(process, 2, OPENING[1])
        for number, (kind, params) in enumerate(CALLS.items(), start=10):
            line = (
                f'{{"jsonrpc": "2.0", "method": "tools/call", "id": {number}, "params": {params}}}'
            )
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert answer["id"] == number, kind
            assert "result" in answer or answer["error"]["message"], kind
        for given in ("1.5", "1e2", "true", "[1]", '{"a": 1}', "null"):
            call = f'"jsonrpc": "2.0", "id": {given}, "method": "tools/call"'
            process.stdin.write(f'{{{call}, "params": {{"name": "best", "arguments": {{}}}}}}\n')
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert answer["error"]["message"].endswith("neither a whole number nor a text")
            assert answer["id"] in (json.loads(given), None), given
        for line in ("", "{", "[]", '{"jsonrpc": "2.0", "id": "a\\"b", "method": }', "\x00"):
            process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline())["id"] for _ in range(4)]
        assert answers == [None, None, 'a"b', None]
        assert "mean_rank" in json.dumps(say(process, 99, tool("history")))
        _, errors = process.communicate()
    assert "Traceback" not in errors
    assert process.returncode == 0


# -- a client that is gone --------------------------------------------------------------------


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_client_that_is_gone_ends_the_trial_and_the_run_is_gone_on_with(tmp_path, number):
    """Told by the end of our input, as clients do, or by a signal while it is open."""
    with started(tmp_path, "slow", "--answer-within", "1") as process:
        said = say(process, 1, OPENING[0])
        while "STILL RUNNING" in json.dumps(said := say(process, 2, OPENING[1])):
            pass
        proposed = tool("propose_experiment", hypothesis="wider", **WIDER)
        said = say(process, 3, proposed)
        assert "STILL RUNNING: experiment 1" in json.dumps(said)
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 4, **proposed}) + "\n")
        process.stdin.flush()
        if number is None:
            process.stdin.close()
        else:
            process.send_signal(number)
        assert process.wait(60) == (0 if number is None else StoppedError.exit_code)
    assert [one.status for one in history(tmp_path)] == [ExperimentStatus.KEPT, None]

    async def come_back(client):
        assert "Propose experiment 2" in await call(client, "get_task")
        assert "#1 kept" in await call(client, "history")

    ask(server(tmp_path), come_back)
    assert [one.status for one in history(tmp_path)] == [ExperimentStatus.KEPT] * 2


# -- what clients are told --------------------------------------------------------------------


def configuration(client: str, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["mcp", *arguments, "--print-config", client])
    assert result.exit_code == 0, result.output
    return result.output


def entry(client: str, *arguments: str) -> dict:
    text = configuration(client, *arguments)
    document = tomllib.loads(text) if client == "codex" else json.loads(text)
    return document["mcp_servers" if client == "codex" else "mcpServers"][NAME]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_printed_configuration_starts_a_server(client, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    found = entry(client, "--task", "eclip", "--tag", 'odd "tag"')
    environment = {**os.environ, **found["env"], "PYTHONPATH": str(PROJECT)}
    parameters = StdioServerParameters(
        command=found["command"], args=found["args"], env=environment, cwd=tmp_path
    )

    async def scenario(client):
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert """'odd "tag"' is not valid""" in await failing(client, "get_task")

    ask(parameters, scenario)


def test_no_client_gives_up_before_a_call_is_answered():
    claude, codex = entry("claude", "--task", "eclip"), entry("codex", "--task", "eclip")
    assert claude["timeout"] / 1000 > within(claude)
    assert codex["tool_timeout_sec"] > within(codex)
    assert within(entry("cursor", "--task", "eclip")) < 60


def within(server: dict) -> float:
    return float(server["args"][server["args"].index("--answer-within") + 1])


def test_the_command_offers_every_client_there_is():
    assert tuple(CLIENTS) == command.CLIENTS


def test_the_state_folder_goes_along_where_it_was_moved(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    assert entry("codex", "--task", "eclip")["env"] == {"RUNNER_HOME": str(tmp_path)}
    monkeypatch.delenv("RUNNER_HOME")
    assert "env" not in entry("codex", "--task", "eclip")


@pytest.mark.parametrize(
    "arguments", [(), ("--task", "a", "--resume", "b"), ("--resume", "a", "--tag", "b")]
)
def test_a_task_or_a_run_must_be_named(arguments):
    assert CliRunner().invoke(cli, ["mcp", *arguments]).exit_code == 2


def test_the_slash_command_names_tools_that_the_server_has():
    _, head, body = COMMAND.read_text(encoding="utf-8").split("---\n", 2)
    allowed = yaml.safe_load(head)["allowed-tools"].split(", ")
    assert set(allowed) == {f"mcp__{NAME}__{tool}" for tool in TOOLS}
    named = set(re.findall(r"`(\w+)`", body))
    assert named <= TOOLS
    assert "$ARGUMENTS" in body
