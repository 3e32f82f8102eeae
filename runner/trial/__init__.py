"""One trial, sealed: `run` its steps, `served` models, tell by `verdict` what an end means."""

from runner.trial.naming import trial_name, trial_prefix
from runner.trial.run import DockerSandbox, Watch
from runner.trial.verdict import SCORE_DOCUMENT_BYTES, failure, read_score

__all__ = [
    "SCORE_DOCUMENT_BYTES",
    "DockerSandbox",
    "Watch",
    "failure",
    "read_score",
    "trial_name",
    "trial_prefix",
]
