"""Plays a YAML script, one experiment per entry, and ends with it.

```yaml
- hypothesis: the clamp is too low
  expect: {status: kept}            # read by whoever checks the run, not by the agent
  changes:
    - path: train.py
      replace: {old: "LOGIT_SCALE_MAX = 2.0", new: "LOGIT_SCALE_MAX = 100.0"}
- hypothesis: a link to the labels
  changes:
    - {path: train.py, mode: "120000", text: /sealed/holdout/captions.npy}
```

A change gives `text`, `base64`, `file` (beside the script), `replace` (in the best so far) or
`delete: true`; without any of them it keeps the best so far. `prepend` comes before that, and
`repeat: N` multiplies it.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner import given
from runner.errors import ConfigError
from runner.policy import positions
from runner.records import REGULAR, Change, Files, Proposal
from runner.seams import Context, Supervisor

MOST_BYTES = 64 * 1024 * 1024
"""Of a script, or of a file beside it; the attacks of our tests are large."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Replace(_Strict):
    old: str
    new: str


class ScriptChange(_Strict):
    """One change of a script, with at most one way of giving the content."""

    path: str
    mode: Annotated[int, BeforeValidator(lambda mode: int(str(mode), 8))] = REGULAR
    text: str | None = None
    base64: str | None = None
    file: str | None = None
    replace: Replace | None = None
    prepend: str = ""
    delete: bool = False
    repeat: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _one_content(self) -> ScriptChange:
        ways = (self.text, self.base64, self.file, self.replace)
        if sum(way is not None for way in ways) + self.delete > 1:
            raise ValueError("give at most one of text, base64, file, replace, delete")
        return self


class Entry(_Strict):
    hypothesis: str = ""
    category: str = ""
    changes: tuple[ScriptChange, ...] = ()
    expect: dict[str, Any] = Field(default_factory=dict)


class Script(_Strict):
    entries: tuple[Entry, ...]


class Stub:
    """Proposes the script's entries in order; the experiment's number says where it is."""

    name = "stub"
    isolation = "api"
    ahead = 0

    def __init__(self, script: Script, folder: Path) -> None:
        self._script, self._folder = script, folder

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        if context.number > len(self._script.entries):
            return None
        entry = self._script.entries[context.number - 1]
        return Proposal(
            hypothesis=entry.hypothesis,
            category=entry.category,
            changes=tuple(self._change(change, context.files) for change in entry.changes),
        )

    def _change(self, change: ScriptChange, files: Files) -> Change:
        if change.delete:
            return Change(path=change.path, content=None, mode=change.mode)
        content = change.prepend.encode() + self._content(change, files)
        return Change(path=change.path, content=content * change.repeat, mode=change.mode)

    def _content(self, change: ScriptChange, files: Files) -> bytes:
        try:
            if change.text is not None:
                return change.text.encode(errors="surrogatepass")
            if change.base64 is not None:
                return base64.b64decode(change.base64, validate=True)
            if change.file is not None:
                return given.read(self._folder / change.file, most=MOST_BYTES)
        except (ValueError, ConfigError) as error:
            raise ConfigError(f"the script's content for {change.path}: {error}") from error
        if change.path not in files:
            raise ConfigError(f"the script gives no content for {change.path}, which is not there")
        current = files[change.path].content
        if change.replace is None:
            return current
        old, new = change.replace.old.encode(), change.replace.new.encode()
        if old not in current:
            raise ConfigError(f"the script's text to replace is not in {change.path}")
        return current.replace(old, new, 1)


def load_stub(argument: str) -> Stub:
    """Read a script; raise `ConfigError` if there is none or it is not valid."""
    path = Path(argument)
    if not argument or not path.is_file():
        raise ConfigError(f"no script at {argument!r}", hint="use: --agent stub:SCRIPT.yaml")
    return Stub(read_script(path), path.parent)


def read_script(path: Path) -> Script:
    text = given.read_text(path, most=MOST_BYTES)
    hint = "see runner/agents/stub.py for the form"
    said = positions.plain(path, text, hint=hint)
    try:
        return Script(entries=said)
    except ValueError as error:
        raise ConfigError(f"{path}: {given.wrong(error)}", hint=hint) from error
