"""What Claude Code runs before each edit and after each hand-over: it asks the supervisor.

Run as a file, `python -I hook.py SOCKET`, with the event as JSON on standard input. Before an edit
it says whether the result may stand; after a hand-over, whether the session is to end. Exit code 2
blocks the call and shows standard error to the model, so whatever goes wrong here blocks it too.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

BLOCK = 2
AFTER = "PostToolUse"


def asked(path: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the supervisor's answer: `error` says no, and `text` why."""
    request = {
        "event": event["hook_event_name"],
        "tool": event["tool_name"],
        "arguments": event["tool_input"],
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as supervisor:
        supervisor.connect(path)
        supervisor.sendall(json.dumps(request).encode() + b"\n")
        with supervisor.makefile("rb") as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
    return answer


def decision(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer in the client's own form; nothing is no objection."""
    if not answer["error"]:
        return {}
    if event["hook_event_name"] == AFTER:
        return {"continue": False, "stopReason": answer["text"]}
    denied = {"permissionDecision": "deny", "permissionDecisionReason": answer["text"]}
    return {"hookSpecificOutput": {"hookEventName": event["hook_event_name"], **denied}}


def main() -> int:
    try:
        event = json.load(sys.stdin)
        sys.stdout.write(json.dumps(decision(event, asked(sys.argv[1], event))))
    except Exception as error:  # any other exit code than 2 would let the call pass
        sys.stderr.write(f"the review of this call failed: {error}")
        return BLOCK
    return 0


if __name__ == "__main__":
    sys.exit(main())
