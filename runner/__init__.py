"""A host-side supervisor for sealed, self-improving training experiments."""

__version__ = "0.1.0"
