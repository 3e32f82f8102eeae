"""Where trials run: `submit(spec) → future`, on the devices of this machine."""

from runner.executor.devices import Device, devices
from runner.executor.local import LocalExecutor

__all__ = ["Device", "LocalExecutor", "devices"]
