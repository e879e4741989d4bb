"""`ratchet export`: all videos with views, as one node has them now."""

import json
from typing import Literal

from ratchet_server.client import CallError, Client
from ratchet_server.operator.counts_file import HEAD
from ratchet_server.operator.humanize import counted
from ratchet_server.operator.terminal import note, progress
from ratchet_server.output import answer as show

Form = Literal["csv", "json"]


def run(node: Client, form: Form, after: str) -> None:
    """Print the videos of `node` above the id `after`. Raises `CallError`, `OutputError`."""
    last, many, views = after, 0, 0
    if form == "csv" and not after:
        show(",".join(HEAD))
    with progress(0, lambda done, _: f"{done:,} videos") as came:
        try:
            for each in node.pages(after):
                page = [(one.video, one.views) for one in each if one.views]
                if page:
                    show("\n".join(_line(form, *entry) for entry in page))
                    last = page[-1][0]
                many += len(page)
                views += sum(number for _, number in page)
                came(len(page))
        except CallError as error:
            if last == after:
                raise
            raise CallError(f"{error}. Go on with --after {last}") from None
    note(f"{counted(views, 'view')} of {counted(many, 'video')}.")


def _line(form: Form, video: str, views: int) -> str:
    if form == "json":
        return json.dumps({"video": video, "views": views})
    return f"{video},{views}"
