"""What a client submits with one `propose_experiment`, and the proposal that this makes."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from runner.agents import handover
from runner.agents.handover import Words
from runner.errors import ConfigError
from runner.records import REGULAR, Change, Files, Proposal
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
            before = texts.get(edit.path)
            text = text_of(edit.path, context.files) if before is None else before
            if (found := text.count(edit.old)) != 1:
                hint = "nothing was handed in; read_file shows the text as it is"
                what = f"{edit.path} has the text to replace {found} times, not once"
                raise ConfigError(what, hint=hint)
            texts[edit.path] = text.replace(edit.old, edit.new)
        changes = [
            Change(
                path=path,
                content=text.encode("utf-8", errors="surrogatepass"),
                mode=context.files[path].mode if path in context.files else REGULAR,
            )
            for path, text in texts.items()
        ]
        return handover.proposal(self.words, changes)


def text_of(path: str, files: Files) -> str:
    """Return a workspace file as text; raise `ConfigError` where there is none."""
    if path not in files:
        hint = f"files: {', '.join(sorted(files))}"
        raise ConfigError(f"the workspace has no {path!r}", hint=hint)
    return files[path].content.decode("utf-8", errors="backslashreplace")
