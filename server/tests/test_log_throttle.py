"""The log is bounded: lines that others can cause are written a few times, and then counted."""

import logging
from collections.abc import Iterator

import pytest
from ratchet_server.log_throttle import (
    MAX_CAUSES,
    MOST_LINES,
    MOST_OF_OURS,
    MOST_SIZE,
    PERIOD_S,
    LogThrottle,
    OneLine,
    Ration,
)


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestLogThrottle:
    def test_each_thing_is_due_once_a_period(self) -> None:
        clock = Clock()
        throttle = LogThrottle(clock=clock)
        assert [throttle.due("x"), throttle.due("x"), throttle.due("y")] == [True, False, True]
        clock.now = PERIOD_S - 1
        assert not throttle.due("x")
        clock.now = PERIOD_S
        assert [throttle.due("x"), throttle.due("x")] == [True, False]

    def test_many_things_do_not_silence_another(self) -> None:
        throttle = LogThrottle(clock=Clock())
        assert all(throttle.due(n) for n in range(2 * MAX_CAUSES))
        assert throttle.due("another")
        assert not throttle.due("another")


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.lines: list[str] = []
        self.addFilter(Ration(clock=self.clock))
        self.setFormatter(OneLine("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Lines]:
    """What goes through the ration, from any logger whose name begins with `rationed`."""
    handler, logger = Lines(), logging.getLogger("rationed")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)


def say(word: object, level: int = logging.INFO) -> None:
    logging.getLogger("rationed.any").log(level, "say %s", word)


def fail(error: Exception) -> None:
    try:
        raise error
    except Exception:
        logging.getLogger("rationed.other").exception("failed")


class TestTheRation:
    def test_lets_a_place_in_the_code_write_so_many_lines_a_period(self, log: Lines) -> None:
        for n in range(2 * MOST_LINES):
            say(n)
        assert len(log.lines) == MOST_LINES
        assert log.lines[-2] == f"INFO say {MOST_LINES - 2}"
        assert log.lines[-1] == (
            f"INFO say {MOST_LINES - 1} (more lines like this are left out for up to 60 s)"
        )

    def test_lets_our_own_code_write_more(self, log: Lines) -> None:
        ours = logging.getLogger("ratchet_server.test")
        ours.addHandler(log)
        for n in range(2 * MOST_OF_OURS):
            ours.error("say %s", n)
        ours.removeHandler(log)
        assert len(log.lines) == MOST_OF_OURS

    def test_counts_what_it_leaves_out(self, log: Lines) -> None:
        for n in range(MOST_LINES + 7):
            say(n)
        log.clock.now = PERIOD_S
        say("again")
        say("and again")
        assert log.lines[-2:] == [
            "INFO say again (7 lines like this were left out before it)",
            "INFO say and again",
        ]

    def test_holds_back_no_other_place_and_no_other_level(self, log: Lines) -> None:
        for n in range(2 * MOST_LINES):
            say(n)
        say("louder", logging.ERROR)
        fail(ValueError("elsewhere"))
        assert log.lines[MOST_LINES] == "ERROR say louder"
        assert log.lines[MOST_LINES + 1].endswith("ValueError: elsewhere")

    def test_writes_a_traceback_once_a_period_and_then_the_error_alone(self, log: Lines) -> None:
        fail(ValueError("one"))
        fail(ValueError("two"))
        fail(KeyError("three"))
        log.clock.now = PERIOD_S
        fail(ValueError("four"))
        assert ["Traceback" in line for line in log.lines] == [True, False, True, True]
        assert log.lines[1] == "ERROR failed: ValueError('two') (with the traceback above)"


class TestALine:
    def test_has_no_line_ends_and_no_control_characters(self, log: Lines) -> None:
        say("a\nb\x1b[31m\r\u2028\x00ü")
        assert log.lines == ["INFO say a\\nb\\x1b[31m\\r\\u2028\\x00ü"]

    def test_is_cut_where_it_is_too_long(self, log: Lines) -> None:
        say("x" * 10 * MOST_SIZE)
        assert len(log.lines[0]) < MOST_SIZE + 100
        assert log.lines[0].endswith("x ...")

    def test_a_traceback_has_many_but_no_control_characters(self, log: Lines) -> None:
        fail(ValueError("\x1b[31m"))
        assert log.lines[0].startswith("ERROR failed\nTraceback (most recent call last):\n")
        assert "\x1b" not in log.lines[0]
