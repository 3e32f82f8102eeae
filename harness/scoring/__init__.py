"""Metrics, and the arm's-length protocol that feeds them; numpy only."""
