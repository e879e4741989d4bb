"""Entries: how a registry holds an address, and which entries a node can use.

Anybody who may write to a registry may write anything there. A bad entry is left out, with a
complaint, and harms no other.
"""

import json
import re
from typing import Final

from ratchet import names

from ratchet_server.peering.ports import Address
from ratchet_server.peering.undialable import why_undialable

# A process id, as the protocol of the nodes has it.
_PROCESS: Final = re.compile(r"[0-9a-f]{16}")


class BadEntry(ValueError):
    """An entry holds no address. The message says why."""


def written(address: Address) -> str:
    """An entry, for registries that hold texts under keys. Its key is the process id."""
    return json.dumps({"node": address.node, "url": address.url})


def read(key: str, text: str) -> Address:
    """The address in an entry. Whatever the texts are, this returns one: `check` finds the bad
    ones."""
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        entry = None
    fields = entry if isinstance(entry, dict) else {}
    return Address(str(fields.get("url", "")), str(fields.get("node", "")), key)


def check(address: Address) -> Address:
    """The address of an entry, in the form that all parts compare. Raises `BadEntry`."""
    if why := why_undialable(address.url):
        raise BadEntry(why)
    if address.node is not None:
        try:
            names.node(address.node)
        except names.Invalid as error:
            raise BadEntry(str(error)) from None
        if not _PROCESS.fullmatch(address.process or ""):
            raise BadEntry("its key is no process id of 16 hex digits")
    return Address(address.url.rstrip("/"), address.node, address.process)
