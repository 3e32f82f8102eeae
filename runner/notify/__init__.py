"""Telling a person of what a run does: read from the journal, and sent by processes of their own.

What this does not protect against: a supervisor that is killed tells nobody.
"""

from runner.notify.following import telling

__all__ = ["telling"]
