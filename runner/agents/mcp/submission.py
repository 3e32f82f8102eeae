"""What a client submits with one `propose_experiment`, and the proposal that this makes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from runner.agents import handover
from runner.agents.handover import Words
from runner.errors import ConfigError
from runner.records import REGULAR, Change, File, Files, Proposal
from runner.seams import Context


class Edit(BaseModel):
    """One replacement in a file; `old` must be there exactly once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="The file to edit.")
    old: str = Field(description="Text that is in the file exactly once.", min_length=1)
    new: str = Field(description="Text to put in its place.")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The arguments of one call; two calls that say the same are equal."""

    words: Words
    files: tuple[tuple[str, str], ...] = ()
    """Path and whole new text."""
    edits: tuple[Edit, ...] = ()
    """Made after `files`, in their order."""

    def proposal(self, context: Context) -> Proposal:
        """Return it as a proposal; what is allowed is the review's to say.

        Raises:
            ConfigError: an edit does not fit the workspace.
        """
        texts = dict(self.files)
        for edit in self.edits:
            texts[edit.path] = _edited(edit, texts.get(edit.path), context.files)
        changes = [_change(path, text, context.files) for path, text in texts.items()]
        return handover.proposal(self.words, changes)


def _change(path: str, text: str, files: Files) -> Change:
    mode = files[path].mode if path in files else REGULAR
    return Change(path=path, content=text.encode("utf-8", errors="surrogatepass"), mode=mode)


def _edited(edit: Edit, before: str | None, files: Files) -> str:
    text = text_of(edit.path, files) if before is None else before
    found = text.count(edit.old)
    if found != 1:
        hint = "nothing was handed in; read_file shows the text as it is"
        raise ConfigError(f"{edit.path} has the text to replace {found} times, not once", hint=hint)
    return text.replace(edit.old, edit.new)


def text_of(path: str, files: Files) -> str:
    """Return a workspace file as text.

    Raises:
        ConfigError: there is no such file.
    """
    file: File | None = files.get(path)
    if file is None:
        known = ", ".join(sorted(files))
        raise ConfigError(f"the workspace has no {path!r}", hint=f"files: {known}")
    return file.content.decode("utf-8", errors="backslashreplace")
