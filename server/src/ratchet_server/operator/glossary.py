"""What the words of a report mean, for an operator who has not read the design."""

from typing import Final

GLOSSARY: Final = (
    (
        "slot",
        "The views that one process of a node has counted on one day. Each start of a node opens a "
        "new slot, name@number, and so does each midnight (UTC).",
    ),
    (
        "row",
        "One change of one video's count in a slot. Rows are numbered, and nodes send them to each "
        "other. A node that lacks rows shows a smaller number until they arrive.",
    ),
    (
        "lacks",
        "How many rows a node has not yet reported to have on disk. Nodes report once a second, so "
        "in a busy cluster the rows of the last second are always on the way.",
    ),
    (
        "closed",
        "The slot takes no more views, because its day is over, or its node was restarted, left, "
        "or was retired. The views in it still count.",
    ),
    (
        "folded",
        "The slot's views were added to the base and the slot was removed, so that the cluster's "
        "state stays small. This happens by itself once every node has reported the same rows. No "
        "view is lost or counts twice.",
    ),
    ("lifting", "The slot is being folded, bit by bit."),
    ("base", "The views of all slots that have been folded."),
    (
        "pending",
        "The view was sent again, to another node than before, and counts there once all nodes "
        "have said that they have not counted it. It is on that node's disk.",
    ),
    (
        "retire",
        "An operator declares that a node will not come back. Otherwise closed slots wait for a "
        "node that is away.",
    ),
)
