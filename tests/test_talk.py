"""What a model was told and answered: once each, whole but for a cap, whatever it holds."""

from __future__ import annotations

from runner import logs
from runner.logs import Talk, words


def test_a_message_that_is_sent_again_is_kept_once(tmp_path):
    talk, path = Talk(tmp_path / "0001" / "agent.log"), tmp_path / "0001" / "agent.log"
    first = ("user", [{"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}])
    for said in (
        first,
        first,
        ("assistant", "I look"),
        ("user", [{"type": "text", "text": "look"}]),
    ):
        talk.keep(*said)
    assert path.read_text() == "== user\nlook\n== assistant\nI look\n"


def test_a_talk_without_end_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "MOST_TALK", 1000)
    talk = Talk(tmp_path / "agent.log")
    for number in range(300):
        talk.keep("user", f"message {number}")
    assert (tmp_path / "agent.log").stat().st_size == 1000


def test_whatever_a_client_sends_can_be_kept(tmp_path):
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    talk = Talk(tmp_path / "agent.log")
    for odd in (deep, None, "\ud800", [{"type": "tool_use", "input": {"a": [1, None]}}], 7):
        talk.keep("user", odd)
    text = (tmp_path / "agent.log").read_text()
    assert "(nested too deeply)" in text
    assert '{"type": "tool_use", "input": {"a": [1, null]}}' in text
    assert words([{"type": "text", "text": "a"}, "b"]) == "a\nb"
