from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from policy_samples import POLICY, WORKSPACE, changed

from runner.policy import Earlier, Policy, parse_policy
from runner.policy.parser.facts import facts, refusal
from runner.policy.review import review
from runner.policy.syntax import Facts, understood
from runner.records import Change, Files, Proposal


@pytest.fixture(scope="session")
def policy_text() -> str:
    return POLICY


@pytest.fixture(scope="session")
def policy() -> Policy:
    return parse_policy(POLICY).policy


def parsed_here(content: bytes) -> Facts:
    """The parser's facts without its process: the same code, and no wait for a start."""
    try:
        document = facts(content.decode())
    except (SyntaxError, ValueError, RecursionError) as error:
        document = refusal(error)
    return understood(json.dumps(document).encode())


Reviewed = Callable[..., list[str]]


@pytest.fixture(scope="session")
def messages(policy: Policy) -> Callable[..., dict[str, str]]:
    """Review changes and give each broken rule's message, in order."""

    def reviewed(
        *changes: Change,
        hypothesis: str = "wider is better",
        policy: Policy = policy,
        files: Files = WORKSPACE,
        earlier: Sequence[Earlier] = (),
    ) -> dict[str, str]:
        sources = [file.content for path, file in files.items() if path.endswith(".py")]
        sources += [each.content for each in changes if each.content and each.path.endswith(".py")]
        found = review(
            Proposal(hypothesis=hypothesis, changes=changes),
            policy,
            files=files,
            facts={source: parsed_here(source) for source in sources if is_utf8(source)},
            earlier=earlier,
        )
        return {violation.rule: violation.message for violation in found}

    return reviewed


@pytest.fixture(scope="session")
def rules(messages: Callable[..., dict[str, str]]) -> Reviewed:
    return lambda *changes, **options: list(messages(*changes, **options))


@pytest.fixture(scope="session")
def source_rules(rules: Reviewed) -> Reviewed:
    """Review a source as the new `train.py`."""
    return lambda source, **options: rules(changed("train.py", source.encode()), **options)


def is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
