"""The web page's server: the daemon's status on a TCP address, off unless `reports.http` names one."""

from __future__ import annotations

import ipaddress
import re
import socket

from mmd.core.errors import ConfigError
from mmd.daemon.status.server import BoundedServer, Routes

_BACKLOG = 128
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/\s]+)(:[0-9]{1,5})?")


class WebServer(BoundedServer):
    """Listens from the moment it is made. Attributes to read: `port`, the one that was chosen where 0 was asked for."""

    def __init__(self, routes: Routes, host: str, port: int) -> None:
        """Raises ConfigError where the address cannot be listened at."""
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise ConfigError(f"reports.http: {host}:{port} cannot be served: {error.strerror or error}; choose another, or leave it out") from error
        super().__init__(listener, routes, lambda header: is_host(header, host))
        self.port: int = listener.getsockname()[1]


def is_host(header: str, configured: str) -> bool:
    """Whether a Host header is an address, localhost, or the configured name.

    Any other name may have been made to point here by whoever owns it, so that their page could read ours (DNS rebinding).
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = match[1].lower().rstrip(".")
    if name in ("localhost", configured.lower()):
        return True
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") else name)
    except ValueError:
        return False
    return True
