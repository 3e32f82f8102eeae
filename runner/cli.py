"""The command line: a thin group that imports a verb only when it is used."""

from __future__ import annotations

import errno
import importlib
import resource
import traceback
from typing import Any

import click

from runner import __version__, streams
from runner.errors import FAULT, INTERRUPTED, RunnerError, SandboxError

OPEN_FILES = 1024
"""What most machines allow a process to have open; some begin with less."""
FOLDER = "RUNNER_HOME names a folder of your own"
DISK = "free some of the disk"
FILES = f"allow more open files: ulimit -n {OPEN_FILES}"
GONE = "the folder that you are in was removed; change to another one"
PLACE = "name another place, or move away what is there"
MACHINE = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), FOLDER),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), DISK),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), FILES),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO), PLACE),
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTDIR), PLACE),
}
"""What a person has to mend, and how; most other errors that nobody expected are bugs of ours."""
VERBS = {
    "adopt": "Take a project in as it is, and write a task for it.",
    "analyze": "Look at training rows: run a run's analysis.py on them.",
    "audit": "Prove from the records that nothing forbidden changed.",
    "baseline": "Create a run and score the unmodified template.",
    "clean": "Remove containers and volumes that killed runs left.",
    "cost": "Say what a run's models cost, or will cost.",
    "dashboard": "Show runs in a browser, live.",
    "doctor": "Check what this machine has and needs.",
    "export": "Write a run's results.tsv.",
    "hypothesis": "Say what the agents of a run should try first.",
    "list": "List runs, or the experiments of one.",
    "log": "Say what happened in a run, the newest last.",
    "mcp": "Let any MCP client be the researcher.",
    "new-task": "Write the files of a task of your own.",
    "noise": "Measure how noisy a task is, and what gain a run can see.",
    "notify": "Say who is told of what a run does, and try it.",
    "pause": "Have a run at work wait.",
    "policy": "Check or show policies.",
    "prepare": "Prepare a task's data, public and sealed.",
    "propose": "Run a patch as one experiment.",
    "replicate": "Measure a run's baseline and best again, on fresh draws.",
    "resume": "Let a paused run go on.",
    "retry": "Continue an undecided experiment on the same evidence.",
    "report": "Write a run as one page that can be sent and kept.",
    "run": "Run the loop on a task, or go on with a run.",
    "seal": "Make a sealed task of an adopted project.",
    "setup": "Install the engine where allowed, and build the image.",
    "show": "Show one experiment.",
    "status": "Show where a run stands.",
    "step": "Run one experiment, perhaps your own.",
    "stop": "End a run at work.",
    "take": "Bring what a run kept home, into your own repository.",
    "task": "Check a task's files, template and scorer.",
    "watch": "Show a run on the whole terminal, live.",
}


class Group(click.Group):
    """Finds verbs by name, and is the one place where expected errors become text."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"runner.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb. 1 means something to several, so nothing unexpected ends with it."""
        streams.keep_usable()
        _allow_files()
        try:
            return super().invoke(ctx)
        except RunnerError as error:
            _tell(error)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (click.Abort, KeyboardInterrupt):
            click.echo("stopped", err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            hint = MACHINE.get(error.errno or 0, "")
            if error.errno == errno.ENOENT and error.filename is None:
                hint = GONE  # of all that can be missing only this one has no name
            if not hint and not _in_the_state_folder(error):
                traceback.print_exc()
                ctx.exit(FAULT)
            _tell(SandboxError(f"this machine refuses: {error}", hint=hint))
            ctx.exit(SandboxError.exit_code)
        except Exception:
            traceback.print_exc()
            ctx.exit(FAULT)


def _in_the_state_folder(error: OSError) -> bool:
    """Say whether something there is not what we left, which is a person's to mend too."""
    from runner import paths

    named = (error.filename, error.filename2)
    return any(str(path).startswith(f"{paths.state().root}/") for path in named if path)


def _tell(error: RunnerError) -> None:
    from runner.characters import visible

    click.echo(visible(f"error: {error}"), err=True)
    hint = FILES if _lacks_files(error) else error.hint
    if hint:
        click.echo(visible(f" hint: {hint}"), err=True)


def _lacks_files(error: BaseException | None) -> bool:
    """Say whether too many open files are behind it, whatever was being done."""
    seen: list[BaseException] = []  # the first of several faults is raised from the last: a circle
    while error is not None and error not in seen:
        if isinstance(error, OSError) and MACHINE.get(error.errno or 0) == FILES:
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _allow_files() -> None:
    """Raise a low limit of open files, as far as this user may: each container takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Let an agent improve a training script overnight, and believe the result."""
