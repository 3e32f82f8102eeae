"""What a client's model reads: as every model does, and what is different for one with tools.

The context is what law 7 lets back, so nothing here can tell more.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.agents.mcp.exchange import SentBack
from runner.prompt.brief import ALL_CURVES, brief, mend
from runner.prompt.history import curves_of, digest, entry
from runner.prompt.untrusted import one_line, quoted
from runner.records import Experiment, ExperimentStatus, Hypothesis
from runner.seams import Context

MOST_HYPOTHESIS, MOST_LATER = 2000, 5
MOST_FILE_CHARACTERS = 100_000
HERE = """\
You work through this server's tools alone: read_file shows the workspace, propose_experiment \
changes it and runs it, history waits for what runs. Tools of your own change nothing of it. \
You have them, so results here are marked ADVISORY (isolation none): you could have looked."""


def task(context: Context, tag: str) -> str:
    """Everything to know before a proposal."""
    told = brief(context)
    return f"# Run {tag}\n\n{HERE}\n\n{told.system}\n{told.user}"


def file(path: str, text: str) -> str:
    left = len(text) - MOST_FILE_CHARACTERS
    shown = text if left <= 0 else f"{text[:MOST_FILE_CHARACTERS]}\n[… {left} more left out …]"
    return quoted(path, shown)


def history(context: Context) -> str:
    """Return what was tried, in a length that hardly grows."""
    return f"{quoted('the history', digest(context))}\n\n{best(context)}"


def best(context: Context) -> str:
    """Return the best so far, and whether its files are the ones to start from."""
    kept = [one for one in context.history if one.status is ExperimentStatus.KEPT]
    if not kept:
        return "Nothing was kept yet."
    last = kept[-1]
    score = "" if last.score is None else f", {context.metric} {last.score:.10g}"
    if last.number == context.parent:
        here = "The next proposal starts from it, and read_file shows it."
    else:
        here = f"The next proposal starts from experiment {context.parent}, which read_file shows."
    return f"Best so far: experiment {last.number}{score}. {here}"


def experiment(told: Experiment) -> str:
    """Return what became of one experiment."""
    curves = curves_of(told, most=ALL_CURVES)
    lines = [entry(told, ""), *([f"all curves: {curves}"] if curves else [])]
    changed = sorted({name for one in told.trials for name in one.result.self_modified})
    if changed:
        lines.append(f"changed on disk while training, and thrown away: {', '.join(changed)}")
    head = f"Experiment {told.number}: {str(told.status).upper()}"
    words = quoted(f"experiment {told.number}", "\n".join(lines))
    return f"{head}\n\n{words}"


def sent_back(answer: SentBack) -> str:
    """Say what to mend."""
    told = mend(answer.violations, "call propose_experiment again", answer.left)
    return f"SENT BACK, nothing ran. {told}"


def waiting(hypotheses: Sequence[Hypothesis]) -> str:
    """Say which of a person's hypotheses wait, in the order in which they are to be tested."""
    first, *later = hypotheses
    lines = [
        f"A person's hypothesis waits. Test it next, with answers={first.id}:"
        f" {one_line(first.text, MOST_HYPOTHESIS)}",
        *(f"Later, number {each.id}: {one_line(each.text, 200)}" for each in later[:MOST_LATER]),
    ]
    more = len(later) - MOST_LATER
    return "\n".join([*lines, *([f"And {more} more."] if more > 0 else [])])
