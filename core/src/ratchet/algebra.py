"""The algebra: everything that replicas share is merged by taking the larger of each number.

    x.merge(y) = y.merge(x)                       commutative: the order of messages does not matter
    x.merge(y).merge(z) = x.merge(y.merge(z))     associative: nor does their grouping
    x.merge(x) = x                                idempotent: nor does their repetition
    x <= x.merge(y)                               nothing ever falls

A set with such a merge is a join-semilattice. These four laws are all that replication needs from
its messages (Shapiro et al., 2011), and one class of tests checks them for every type that claims
to obey them: `Counter`, `Column`, `Base` and `Generations`.
"""

from typing import Protocol, Self


class Semilattice(Protocol):
    """State that obeys the laws above. An immutable type returns the merged value; a mutable type
    merges in place and returns what was news to it."""

    def merge(self, other: Self, /) -> object:
        """Take the larger of each number."""
