"""Which URLs nobody can dial, and which only the same machine can."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from ratchet_server.settings import SettingError, check_url


def why_undialable(url: str) -> str | None:
    """Why nobody can dial this URL; None if somebody may."""
    try:
        parts = urlsplit(check_url(url))
    except SettingError as error:
        return str(error)
    if not parts.port:
        return f"{url} has port 0, which nobody can dial"
    try:
        # A node sends 0.0.0.0 when it listens on all addresses and has no --advertise.
        if ip_address(parts.hostname or "").is_unspecified:
            return f"{parts.hostname} means all addresses of a machine, and nobody can dial it"
    except ValueError:
        pass
    return None


def is_local(url: str) -> bool:
    """Whether only this machine can dial this URL."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
