"""`join`: an operator declares that another cluster and this one are one."""

import logging
from typing import Any

from ratchet import codec, strict_json
from ratchet.names import Invalid

from ratchet_server.counting.keeper import Keeper
from ratchet_server.http.errors import ApiError
from ratchet_server.http.written import written

_MAX_BODY = 1000

_log = logging.getLogger(__name__)


async def join(keeper: Keeper, body: bytes) -> dict[str, Any]:
    """Join the cluster that `body` names, ``{"cluster": id}``. Returns once that is on disk. Raises
    `ApiError`."""
    try:
        fields = strict_json.record(strict_json.loads(body.decode(), _MAX_BODY), "cluster")
        cluster = codec.ID.parse(fields["cluster"])
    except (Invalid, UnicodeDecodeError) as error:
        message = f'The body must be {{"cluster": "<id>"}}: {error}.'
        raise ApiError(400, "bad_join", message) from None
    replica = keeper.replica
    before = replica.identity.name
    if replica.identity.join(cluster):
        _log.warning("an operator joins cluster %s and this one, %s", cluster, before)
    await written(
        keeper,
        "The clusters are joined, and other nodes will learn of it, but this node could not "
        "write that to its disk. Make sure that its disk has room, and join them again.",
    )
    return {"node": replica.me.node, "cluster": replica.identity.name, "joined": cluster}
