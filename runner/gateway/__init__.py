"""The one way out of an agent's box: HTTP on a Unix socket, to the endpoints of one provider."""

from runner.gateway.gateway import Caps, Gateway

__all__ = ["Caps", "Gateway"]
