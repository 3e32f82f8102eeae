"""Seeds are drawn again from the run's secret, which lies outside of its folder."""

from __future__ import annotations

import secrets

import pytest
from fakes import TAG
from planting import Copy

from runner.audit.findings import Finding


def drawn(copy: Copy) -> list[Finding]:
    return [found for found in copy.audit().findings if found.rule == "draws"]


@pytest.mark.parametrize("purpose", ["decision", "audit"])
def test_a_seed_that_nobody_drew_shows_although_chain_and_log_were_made_to_fit(copy, purpose):
    seq = copy.ended(5, purpose)[0]
    copy.sql("UPDATE trials SET seed = 7 WHERE seq = ?", seq)
    copy.edit_entry(seq, seed=7)
    copy.relink()
    copy.forge_log()
    [found] = drawn(copy)
    assert found.experiment == 5
    assert "has the seed 7; its draw is" in found.message


def test_another_secret_than_the_run_began_with_shows(copy):
    copy.state.secret(TAG).write_bytes(secrets.token_bytes(32))
    [found] = drawn(copy)
    assert "not the one that the run began with" in found.message


def test_without_the_secret_the_seeds_are_not_checked_and_that_is_said(copy):
    copy.state.secret(TAG).unlink()
    report = copy.audit()
    assert report.clean
    assert "draws: the run's secret is not here" in report.unchecked


def test_the_secret_is_for_its_owner_alone_and_in_no_record(copy):
    path = copy.state.secret(TAG)
    assert path.stat().st_mode & 0o077 == 0
    assert not path.is_relative_to(copy.state.run(TAG))
    secret = path.read_bytes()
    assert len(secret) == 32
    for place in (copy.state.journal, copy.events):
        assert secret not in place.read_bytes()
        assert secret.hex().encode() not in place.read_bytes()
