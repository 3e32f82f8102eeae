"""The policy: its schema and loader, and the review of proposals against it."""

from runner.policy.load import LoadedPolicy, PolicyError, digest, load_policy, parse_policy
from runner.policy.review import Earlier, Examination, fingerprint, review
from runner.policy.schema import Policy

__all__ = [
    "Earlier",
    "Examination",
    "LoadedPolicy",
    "Policy",
    "PolicyError",
    "digest",
    "fingerprint",
    "load_policy",
    "parse_policy",
    "review",
]
