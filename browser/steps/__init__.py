"""The steps of `browser/build.py`, one idea a file."""


class CannotBuild(Exception):
    """This machine lacks something, or a step has failed. The message says how to mend it."""
