"""The checksum of a row. SQL calls both functions; `schema` has the statements."""

from zlib import crc32


def crc(*values: str | int) -> int:
    """The checksum of `values`."""
    return crc32(repr(values).encode())


def intact(written: int, *values: str | int) -> bool:
    """True if `values` have the checksum `written`. Raises `ValueError` if not."""
    if written != crc(*values):
        raise ValueError(values)
    return True
