"""Drives Claude Code, one session per proposal, in a draft folder and within the policy."""
