"""Every error code of this node, with what it means in a few words.

PROTOCOL.md has the codes that a client should tell apart. `openapi.json` lists those of each call.
"""

from collections.abc import Mapping
from typing import Final

# The words are the `title` of a problem (RFC 9457): they are the same for each occurrence.
MEANINGS: Final[Mapping[str, str]] = {
    # A request that no call can take.
    "bad_request": "The request is no valid HTTP/1.1.",
    "expectation_failed": "The header Expect asks for something else than 100-continue.",
    "internal": "The node failed at this request.",
    "method_not_allowed": "The path does not allow this method.",
    "not_found": "There is nothing at this path.",
    "other_host": "The node does not answer to this host name.",
    "request_timeout": "The request did not arrive in time.",
    "too_large": "The request is too large.",
    # A request with a wrong part.
    "bad_ack": "ack is none of memory, disk and peers.",
    "bad_after": "after is not what an earlier response has given.",
    "bad_also": "One stream can't have so many videos.",
    "bad_entry": "An entry of the list has not the form that it must have.",
    "bad_ids": "ids has too many ids, or comes with parameters that exclude it.",
    "bad_import": "The body is no import.",
    "bad_join": "The body names no cluster.",
    "bad_attempt": "Ratchet-Attempt is no number of an attempt.",
    "bad_key": "The Idempotency-Key is no UUID.",
    "bad_limit": "limit is no whole number, or beyond its bounds.",
    "bad_max_age": "max-age is no whole number of seconds, or beyond its bounds.",
    "bad_retire": "The body names no node.",
    "bad_sort": "sort is not -views, or comes with after.",
    "bad_video": "The video id has not the form that it must have.",
    "bad_views": "The body is no list of views.",
    "range_not_satisfiable": "The range begins behind the end of the file.",
    # Who calls.
    "loopback_only": "Without a secret, only the node's own user on its own machine may call.",
    "not_for_browsers": "Browsers may not make this call.",
    "other_origin": "Pages of the sender's site may not do that.",
    "robot": "The sender calls itself a robot.",
    "unauthorized": "The call needs the secret.",
    # What the node has, and what not.
    "import_differs": "The import has other rows than its end says.",
    "in_memory": "The node keeps its data in memory.",
    "key_reused": "The Idempotency-Key was used for another video.",
    "living_node": "The node is alive.",
    "no_clip": "There is no clip of this video.",
    "no_page": "The page is not built.",
    "too_many_imports": "The cluster has as many imports as it can have.",
    "too_many_videos": "The node counts as many videos as it may.",
    "too_many_views": "Nobody would believe so many views.",
    "too_old": "Slots were folded since this event.",
    "two_bases": "Each of the two clusters has views in its base.",
    "unknown_node": "No node has this name.",
    "unknown_video": "The node does not count this video.",
    # The node can't do it now.
    "busy": "The node does too much of this already.",
    "client_gone": "The client has closed the connection.",
    "clip_away": "The nodes with this clip do not respond.",
    "clock_in_doubt": "The clock of this node or of another is wrong.",
    "count_full": "The number of this video is the largest that there is.",
    "crowded": "The node has no room for more streams.",
    "data_lost": "The files with this node's data are gone or damaged.",
    "disk_full": "The disk of this node is full.",
    "draining": "The node is stopping.",
    "loading": "The node is reading its data.",
    "locked": "Another program has locked the node's database.",
    "no_backup": "The node can't copy its data.",
    "no_peer": "No other node is connected.",
    "not_ready": "The node is catching up with its peers.",
    "not_shared": "No other node has confirmed the view in time.",
    "overloaded": "Too many views are waiting.",
    "stopped": "The node has stopped.",
    "superseded": "A newer process of this node has taken over.",
}
