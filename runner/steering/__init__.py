"""Where a run goes: strategy, phases, and how far it has come."""
