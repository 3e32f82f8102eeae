"""Agents in a container of their own: Claude Code, Codex, or any program."""
