"""Gives mini-swe-agent the brief, which is standard input, as its task, and the one model.

Its packages are put on the path here and in no variable, so that what it runs finds the image's.
What it may spend is for the gateway to say, which knows the prices.
"""

import os
import sys

sys.path.insert(1, "/box/agents/python")
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it looks for a newer list of prices
    "MSWEA_CONFIGURED": "true",
    "MSWEA_COST_TRACKING": "ignore_errors",
    "MSWEA_GLOBAL_CONFIG_DIR": "/box/home/mini-swe-agent",
}

from minisweagent.run.mini import app

MODEL = f"{os.environ['RUNNER_PROTOCOL']}/{os.environ['RUNNER_MODEL']}"
SETTINGS = ("mini.yaml", "environment.timeout=600")

app([
    *("--model", MODEL, "--task", sys.stdin.read(), "--yolo", "--exit-immediately"),
    *("--cost-limit", "0"),
    *(word for setting in SETTINGS for word in ("--config", setting)),
])  # fmt: skip
