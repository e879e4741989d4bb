"""The most viewed videos of today (UTC)."""

from collections.abc import Callable, Collection, Iterable

from ratchet.table import Table

from ratchet_server.http.days import today
from ratchet_server.http.top import Top


class Today:
    """`top` sorts. It has to hear of all videos whose numbers change."""

    def __init__(self, table: Table, named: Callable[[], Collection[Collection[str]]]) -> None:
        """`named`: see `Top`."""
        self._table = table
        # The day of the last look.
        self._day: int | None = None
        self.top = Top(self.views, named)

    def views(self, videos: Iterable[str]) -> list[int]:
        """The views of each of these videos today."""
        return self._table.on_day(today(), videos)

    async def first(self) -> list[str]:
        """The most viewed of today first: see `Top.first`."""
        if self._day != (day := today()):
            # Nodes whose clocks are ahead have counted views of this day before it began here.
            self._day = day
            self.top.changed(self._table.viewed_on(day))
        return await self.top.first()
