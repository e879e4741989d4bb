"""A count as a picture, for pages without scripts: an SVG that loads nothing else.

A picture has no memory. It shows what the responding node counts at that moment, which may be less
than another node has shown before. Pages that must never show less use `<view-count>`.
"""

import base64
import hashlib
from typing import Final

from sanic import HTTPResponse, Request

from ratchet_server.http import headers
from ratchet_server.http.freshness import etag_of, still_fresh

# The widths of Arial's bold letters, in thousandths of the font size. Helvetica and Liberation Sans
# have the same widths. With any other font, the browser stretches the text to fit.
_LETTER_WIDTHS: Final = {",": 278, ".": 278, "K": 722, "M": 833, "B": 722, "T": 611}
_DIGIT_WIDTH: Final = 556
_WORD_WIDTHS: Final = {"view": 2000, "views": 2500}
_FONT_SIZE: Final = 14
_HEIGHT: Final = 28

# The colours of our own pages.
_STYLE: Final = (
    "rect{fill:#fff;stroke:#e2dfd8}"
    "path{fill:none;stroke:#ad4e06;stroke-width:1.6}"
    "circle{fill:#ad4e06}"
    f"text{{font:{_FONT_SIZE}px Arial,Helvetica,Liberation Sans,sans-serif;fill:#66625a}}"
    ".n{font-weight:700;fill:#1c1b19}"
    "@media(prefers-color-scheme:dark){"
    "rect{fill:#1b1d27;stroke:#2c2f3d}path{stroke:#f2a65a}circle{fill:#f2a65a}"
    "text{fill:#a3a0b1}.n{fill:#eceaf2}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def respond(request: Request, views: int) -> HTTPResponse:
    """The response with the picture of `views`, or 304 if the client has this picture already."""
    compact = "compact" in request.get_args(keep_blank_values=True)
    svg = picture(views, compact=compact)
    etag = etag_of(svg.encode())
    fields = headers.picture(etag, _STYLE_HASH)
    if still_fresh(request, etag):
        return HTTPResponse(status=304, headers=fields)
    return HTTPResponse(svg, headers=fields, content_type="image/svg+xml")


def picture(views: int, *, compact: bool = False) -> str:
    """The SVG: an eye, the number, the word. It is light or dark, as the reader's system is."""
    number = short(views) if compact else f"{views:,}"
    word = "view" if views == 1 else "views"
    letters = (_LETTER_WIDTHS.get(character, _DIGIT_WIDTH) for character in number)
    number_width = sum(letters) * _FONT_SIZE / 1000
    word_width = _WORD_WIDTHS[word] * _FONT_SIZE / 1000
    word_x = 34 + number_width + 5
    width = round(word_x + word_width + 11)
    label = f"{views:,} {word}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{label}">'
        f"<title>{label}</title><style>{_STYLE}</style>"
        f'<rect x=".5" y=".5" width="{width - 1}" height="{_HEIGHT - 1}" rx="8"/>'
        '<path d="M11 14c4-6.5 12-6.5 16 0c-4 6.5-12 6.5-16 0z"/><circle cx="19" cy="14" r="2.4"/>'
        f'<text class="n" x="34" y="19" {_fitted(number_width)}>{number}</text>'
        f'<text x="{word_x:.1f}" y="19" {_fitted(word_width)}>{word}</text></svg>'
    )


def short(views: int) -> str:
    """`1.2M`: at most three digits, never rounded up. Below 10,000, all digits."""
    if views < 10_000:
        return f"{views:,}"
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if views >= size:
            whole, tenth = divmod(views * 10 // size, 10)
            return f"{whole:,}{letter}" if whole >= 10 or not tenth else f"{whole}.{tenth}{letter}"
    raise AssertionError


def _fitted(width: float) -> str:
    return f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs"'
