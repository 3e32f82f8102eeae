"""Sends one message to one address, as a program of its own: `python -P sending.py`.

Its standard input is a JSON object with `address`, `title` and `text`. It exits with 0 where the
message was taken, with `UNKNOWN` where that is no address that apprise knows, and with 1 otherwise,
after printing the status of HTTP if there was one. It prints nothing else: the words of a library
that fails hold the address.
"""

from __future__ import annotations

import json
import logging
import re
import sys

UNKNOWN = 3
STATUS = re.compile(r"\berror=(\d{3})\b")


class Statuses(logging.Handler):
    """Takes from what apprise logs of a refusal the status alone."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the number."""
        self.found += STATUS.findall(record.getMessage())


def main() -> int:
    """Send what standard input says, and return the exit code."""
    import apprise

    statuses = Statuses()
    logging.getLogger("apprise").addHandler(statuses)
    said = json.load(sys.stdin)
    asset = apprise.AppriseAsset(
        app_id="runner", app_desc="", app_url="", image_url_mask="", image_url_logo="",
        storage_mode="memory", async_mode=False, secure_logging=True,
    )  # fmt: skip
    services = apprise.Apprise(asset=asset)
    if not services.add(said["address"]):
        return UNKNOWN
    plain = apprise.NotifyFormat.TEXT
    if services.notify(title=said["title"], body=said["text"], body_format=plain):
        return 0
    sys.stdout.write("".join(statuses.found[-1:]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
