"""What the words of a report mean to somebody who has never read the design."""

from typing import Final

GLOSSARY: Final = (
    (
        "slot",
        "The views that one start of a node has counted. name@number tells its starts apart.",
    ),
    (
        "row",
        "One change of one video's count in a slot. Rows are numbered, and nodes send them to each "
        "other. A node that lacks some shows a smaller number until they are there.",
    ),
    (
        "lacks",
        "Rows that a node has not yet reported to have on disk. It reports once a second, so on a "
        "busy cluster the rows of the last second are always on the way.",
    ),
    (
        "closed",
        "The slot takes no more views: its node was started again, left, or was retired. The views "
        "in it still count.",
    ),
    (
        "folded",
        "Added to the base, and no longer a slot, so that the cluster's state stays small. It "
        "happens by itself once every node has reported the same rows. It loses no view, and "
        "counts none twice.",
    ),
    ("lifting", "The slot is being folded, bit by bit."),
    ("base", "The views of all slots that have been folded."),
    (
        "retire",
        "An operator says that a node will not come back. Otherwise closed slots wait for a node "
        "that is away.",
    ),
)
