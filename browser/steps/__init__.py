"""The steps of `browser/build.py`, one idea a file."""


class CannotBuild(Exception):
    """This machine lacks something, or a step failed; the message says how to mend it."""
