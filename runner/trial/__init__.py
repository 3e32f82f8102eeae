"""One trial, sealed: `run` its steps, `served` models, tell by `verdict` what an end means."""

from runner.trial.host import Host
from runner.trial.naming import stage_name, trial_name, trial_prefix
from runner.trial.run import TrialRunner, Watch
from runner.trial.specification import specification
from runner.trial.verdict import SCORE_DOCUMENT_BYTES, failure, read_score

__all__ = [
    "SCORE_DOCUMENT_BYTES",
    "Host",
    "TrialRunner",
    "Watch",
    "failure",
    "read_score",
    "specification",
    "stage_name",
    "trial_name",
    "trial_prefix",
]
