"""Makes the adapter that a URL names. It imports the adapter's client only then."""

import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from ratchet_server import DISTRIBUTION
from ratchet_server.peering.registry.finder import Finder
from ratchet_server.peering.registry.port import LEASE_S, Registry
from ratchet_server.peering.undialable import is_local, why_undialable
from ratchet_server.settings import SettingError
from ratchet_server.settings.registries import RegistryUrl

# Which module has the adapter, and what it is called there; the client that it imports, and the
# extra with that client. The other adapters need only what every node has.
_ADAPTERS: Final = {
    "etcd": ("etcd", "Etcd", "", ""),
    "consul": ("consul", "Consul", "", ""),
    "zookeeper": ("zookeeper", "ZooKeeper", "kazoo", "zookeeper"),
    "dns": ("dns", "Hosts", "dnspython", "dns"),
    "dns+srv": ("dns", "Services", "dnspython", "dns"),
}

_log = logging.getLogger(__name__)


def finders(urls: Sequence[RegistryUrl], own: str) -> list[Finder]:
    """A discovery for each registry. `own`: the URL that this node would register. Raises
    `SettingError` if nobody could dial it."""
    made = [Finder(registry(url), str(url)) for url in urls]
    for finder, url in zip(made, urls, strict=True):
        if not finder.announces:
            continue
        if why := why_undialable(own):
            raise SettingError(
                f"--registry {url} tells other nodes the address of this one, and {why}: give it "
                "with --advertise http://host:port"
            )
        if is_local(own) and not all(is_local(f"http://{server}") for server in url.servers):
            _log.warning(
                "this node registers %s in %s, and other machines can't reach it there: give "
                "--host and --advertise, if nodes on other machines should",
                own,
                url,
            )
    return made


def registry(url: RegistryUrl, *, lease_s: float = LEASE_S) -> Registry:
    """The registry at `url`. Nothing is connected yet. Raises `SettingError` if its client is not
    installed."""
    module, name, client, extra = _ADAPTERS[url.scheme.removesuffix("+tls")]
    try:
        adapter: Callable[..., Registry] = getattr(
            import_module(f"ratchet_server.peering.registry.{module}"), name
        )
    except ModuleNotFoundError:
        raise SettingError(
            f"--registry {url} needs {client}: pip install '{DISTRIBUTION}[{extra}]'"
        ) from None
    return adapter(url, lease_s=lease_s)
