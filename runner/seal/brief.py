"""Instructions for a coding agent, a person's own, that writes what `runner seal` could not."""

from __future__ import annotations

from runner import paths
from runner.errors import ConfigError
from runner.policy.load import load_policy


def brief_text(name: str, new: str) -> str:
    """Return what to write, where, and how it is tested.

    Raises:
        ConfigError: the project is not adopted.
    """
    reported = load_policy(paths.policy_path(paths.require_task(name))).policy.evaluation.reported
    if reported is None:
        raise ConfigError(f"{name} is sealed already")
    folder = f"harness/tasks/{paths.task_harness(new).name}"
    data = "\n".join(f"- `{place}`" for place in reported.data) or "- none, or in the project"
    return f"""# Seal the project {name} as the task {new}

Work in {paths.PROJECT}. Every path below is relative to it, and `runner` is `.venv/bin/runner`.
The project trains with `{reported.run}`, in the folder of its files.
It reports its own score, which nobody can believe. Make a task of it whose score is sealed:
training sees some of the rows; a fresh container gets other rows without their targets, and answers
with what training left; a scorer compares. Do not try to make the score better.

Its data, as the project names them:
{data}

## Steps

1. Run `runner seal {name} --as {new}`. Where it asks for a column or a file, look into the data and
   the code, and give the option that it names. `--force` writes the files anew.
2. If it says that `predict.py` is yours to write, edit `workspace-template/{new}/`:
   - Let the training script save what it fitted, preprocessing included: files beside itself.
     A value that is computed from training rows (a mean, a vocabulary, columns) is saved too.
   - Write `predict(rows)` in the file that `ask:` names in `{folder}/task.yaml`.
     It runs in the project's folder. Every file that training wrote is there again, at its place.
     The file that the project reads its data from holds the rows that are asked, in their order,
     with one training row's target in place of each of theirs. `rows` holds the same without it.
   - It returns one answer for each row, in that order; drop, sort and shuffle nothing.
   - Change nothing else. At most 25 lines in all. Take the words TODO out.
   - A language model (`--text FILE`) is asked `predict(tokens)`: bytes as whole numbers, int64
     [rows, positions]. It returns float32 [rows, positions, 256]: logits of every next byte.
3. If `seal` cannot say what the data are, write `{folder}/task.yaml` and `raw.yaml` by
   hand: `docs/your-own-data.md` explains every key, `runner new-task {new} --blank` writes an
   example.
4. Test: `runner task check {new} --json`. It prints one JSON document, and exits with 0 when all is
   well. `missing` and `wrong` must be empty, `template.fine` true, and every cheat's `fine` too.
   `template.score` is to be near `reported.score`, if there is one: a large gap means that
   `predict.py` asks another program than the script scores. A lost scaler is the usual one.

You are done when 4 passes. Then say what you changed, and the two scores.
"""
