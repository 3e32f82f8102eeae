"""A skeleton that runs as it is: `TODO` marks what is to be replaced."""

from __future__ import annotations

from runner.new_task.layout import NOTES, NewTask, filled, notes, run_sh, script_file

LEAK = (
    "# TODO: say where one split's training targets are another's evaluation targets, if they are."
)


def blank(name: str) -> NewTask:
    policy = filled(
        "policy.yaml",
        task=name,
        leak=LEAK,
        metric="error",
        direction="minimize",
        mutable="train.py",
        notes=", ".join(NOTES),
        imports="__future__, dataclasses, functools, itertools, kit, math, numpy, sys, typing",
        image="cpu",
        splits="train",
        audit="train",
        shared="false",
        max_information="16_000",
    )
    program = filled(
        "program.md",
        task=name,
        about="TODO: what is optimised, on which data.",
        goal="TODO: which number, which way is better, and what the template has.",
        mutable="`train.py`",
        notes="`LEARNING.md` and `scratchpad.md`",
    )
    return NewTask(
        name=name,
        policy=policy,
        harness={"task.py": filled("blank_task.py")},
        template={
            "program.md": script_file(program),
            "run.sh": run_sh("train.py"),
            **notes(),
            "train.py": script_file(filled("blank_train.py")),
        },
    )
