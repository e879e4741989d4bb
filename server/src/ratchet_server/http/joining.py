"""`join`: an operator declares that another cluster and this one are one."""

import logging
from typing import Any, Final

import msgspec
from ratchet import codec
from ratchet.generations import Generations
from ratchet.names import Invalid
from ratchet.snapshot import decode_generations

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.entries import parsed
from ratchet_server.http.errors import ApiError
from ratchet_server.http.written import written


class _Join(msgspec.Struct, forbid_unknown_fields=True):
    cluster: str
    folded: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


_DECODER: Final = msgspec.json.Decoder(_Join)
_FORM: Final = '{"cluster": "<id>", "folded": {"<node>": <generation>, ...}}'

_log = logging.getLogger(__name__)


async def join(keeper: Keeper, body: bytes) -> dict[str, Any]:
    """Join the cluster that `body` names, ``{"cluster": id, "folded"?: map}``. Returns once that is
    on disk. Raises `ApiError`."""
    cluster, folded = _parse(body)
    replica = keeper.replica
    if cluster not in replica.table.ids:
        _check_bases(keeper, folded)
    before = replica.identity.name
    if replica.identity.join(cluster):
        _log.warning("an operator joins cluster %s and this one, %s", cluster, before)
    await written(
        keeper,
        "The clusters are joined, and other nodes will learn of it, but this node could not "
        "write that to its disk. Make sure that its disk has room, and join them again.",
    )
    return {"node": replica.me.node, "cluster": replica.identity.name, "joined": cluster}


def _parse(body: bytes) -> tuple[str, Generations | None]:
    given = parsed(_DECODER, body, code="bad_join", form=_FORM)
    try:
        known = given.folded is not msgspec.UNSET
        return codec.ID.parse(given.cluster), decode_generations(given.folded) if known else None
    except Invalid as error:
        raise ApiError(400, "bad_join", f"The body must be {_FORM}: {error}.") from None


def _check_bases(keeper: Keeper, folded: Generations | None) -> None:
    """Raises `ApiError` if a join would lose views, as far as this node can know it. `folded`: what
    the other cluster has folded; empty: its base has no views; None: the caller does not say.

    Nodes with the same folds take the larger of each number in their bases. That is right if what
    is in the one base is also in the other, or if one is empty. The bases of two clusters that
    never were one would have to be added up. A cluster that was one with the other has at least
    one fold in common with it: a name that is missing folds nothing, and isn't folded.
    """
    table = keeper.replica.table
    if not table.base.total:
        return
    if folded is None:
        message = (
            "This cluster has views in its base. Send what the other one has folded, too: "
            "`folded` of its GET /api/node, or {} if its base has no views."
        )
        raise ApiError(409, "two_bases", message)
    # A name below the floor is listed although nothing of it may be folded: generation 0.
    common = [name for name in folded.names() if 0 < folded[name] == table.folded.get(name)]
    if folded and not common:
        message = (
            "Both clusters have folded views into their base. Joined, they would keep only the "
            "larger number of each video, and not the sum. Run `ratchet export` at the one, stop "
            "its nodes, run `ratchet import` at the other, and start the stopped nodes on empty "
            "disks."
        )
        raise ApiError(409, "two_bases", message)
