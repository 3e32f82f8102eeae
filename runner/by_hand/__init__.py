"""Experiments that a person asks for, one at a time."""
