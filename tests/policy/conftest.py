from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from policy_samples import POLICY, WORKSPACE, changed, nothing

from runner.policy import Policy, parse_policy
from runner.policy.case import Tried
from runner.policy.parser import facts, refusal
from runner.policy.review import review
from runner.policy.syntax import Facts, understood
from runner.records import Change, Files, Proposal


@pytest.fixture(scope="session")
def policy_text() -> str:
    return POLICY


@pytest.fixture(scope="session")
def policy() -> Policy:
    return parse_policy(POLICY).policy


@pytest.fixture(scope="session")
def large_files(policy: Policy) -> Policy:
    """The policy for sources that it would else refuse unread."""
    edits = policy.edits.model_copy(update={"max_file_bytes": 1_000_000})
    return policy.model_copy(update={"edits": edits})


def parsed_here(content: bytes) -> Facts:
    """The parser's facts without its process: the same code, and no wait for a start."""
    try:
        document = facts(content.decode("utf-8-sig"))
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
        earlier: Tried = nothing,
    ) -> dict[str, str]:
        proposal = Proposal(hypothesis=hypothesis, changes=changes)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys.modules["runner.policy.review"], "read_facts", parsed_here)
            found = review(proposal, policy, files=files, earlier=earlier)
        return {violation.rule: violation.message for violation in found.violations}

    return reviewed


@pytest.fixture(scope="session")
def rules(messages: Callable[..., dict[str, str]]) -> Reviewed:
    return lambda *changes, **options: list(messages(*changes, **options))


@pytest.fixture(scope="session")
def source_rules(rules: Reviewed) -> Reviewed:
    """Review a source as the new `train.py`."""
    return lambda source, **options: rules(changed("train.py", source.encode()), **options)
