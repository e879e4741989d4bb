"""`ratchet torture`: load on somebody's own cluster, and the judge's verdict."""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from ratchet_server.client import CallError, Client, Refused
from ratchet_server.operator.terminal import Paint, note, progress, wants_colour
from ratchet_server.operator.torture.agreement import agreed, answered
from ratchet_server.operator.torture.history import Attempt, History, Run, Start, write
from ratchet_server.operator.torture.judge import Verdict, judge
from ratchet_server.operator.torture.load import Load, Target
from ratchet_server.operator.torture.table import line
from ratchet_server.output import OutputError, answer

ATTEMPT_S: Final = 3.0
# How long the viewers may need for their last answers, and then the nodes to agree.
PATIENCE_S: Final = 60.0
_VIDEOS: Final = 4
_LOOK_S: Final = 0.1


class Options(NamedTuple):
    """What the user has chosen. `videos`: empty for new ones. `seed`: None for a random one."""

    urls: Sequence[str]
    seconds: float
    rate: float
    viewers: int
    videos: Sequence[str]
    same_node: bool
    history: Path | None


def run(options: Options) -> bool:
    """Put load on the nodes, and print the verdict. Returns whether all numbers were right. Raises
    `CallError`, `OutputError`, and `SettingError` for a URL that is none."""
    history, seed = History(), random.getrandbits(32)
    videos = [*options.videos] or [f"torture-{seed:08x}-{number}" for number in range(_VIDEOS)]
    with ExitStack() as stack:
        if options.history:
            # Also if it ends too early.
            stack.callback(_save, options.history, history, options.urls)
        targets = [
            Target(url, stack.enter_context(Client(url, timeout_s=ATTEMPT_S)))
            for url in options.urls
        ]
        for target in targets:
            # A wrong URL should be known now, and not when all the load is over.
            target.client.videos(videos[:1])
        if options.videos:
            _start(history, targets, videos)
        load = Load(
            history, targets, videos, viewers=options.viewers, rate=options.rate, seed=seed,
            same_node=options.same_node,
        )  # fmt: skip
        try:
            with load:
                _hold(load, options.seconds)
                load.rest(PATIENCE_S)
        except Refused as error:
            if error.status == 404:
                raise CallError(f"{error} Name videos that it counts: --video ID") from None
            raise
        if not load.answered:
            raise CallError(f"no view was answered, so nothing is proven: {_why(history)}")
        note(f"Waiting until all URLs show the same, for {PATIENCE_S:.0f} s at most ...")
        start = next((e.views for e in history.events if isinstance(e, Start)), {})
        least = {video: start.get(video, 0) + n for video, n in answered(history).items()}
        try:
            history.events += agreed(targets, videos, PATIENCE_S, least)
        except CallError as error:
            raise CallError(
                f"no verdict, because in the end each URL must answer: {error}"
            ) from None
    verdict = judge(history.events)
    answer(_words(verdict))
    return not verdict.problems


def _start(history: History, targets: Sequence[Target], videos: Sequence[str]) -> None:
    """Note what the videos have already. Others must not view them meanwhile."""
    before = agreed(targets, videos, PATIENCE_S)
    if any(end.views != before[0].views for end in before):
        raise CallError(
            "the nodes show different numbers of these videos before the first view. Take videos "
            "that nobody else views meanwhile"
        )
    history.add(Start(before[0].views))


def _hold(load: Load, seconds: float) -> None:
    end = time.monotonic() + seconds
    with progress(0, lambda *_: f"{load.answered:,} views answered") as looked:
        while time.monotonic() < end and not load.failed:
            time.sleep(_LOOK_S)
            looked(1)


def _save(file: Path, history: History, urls: Sequence[str]) -> None:
    problems = [*judge(history.events).problems]
    try:
        write(file, [Run("ratchet torture " + " ".join(urls), "none", problems), *history.events])
    except OSError as error:
        raise OutputError(f"can't write {file}: {error.strerror}") from error


def _why(history: History) -> str:
    """Why the last attempt failed."""
    return next((e.why for e in reversed(history.events) if isinstance(e, Attempt)), "none began")


def _words(verdict: Verdict) -> str:
    shown = line(verdict, Paint(wants_colour()))
    if verdict.problems:
        return f"{shown}\n\nWrong:\n{verdict.summary}"
    return f"{shown}\n\nRight: each view counts once, and no number fell or was too high."
