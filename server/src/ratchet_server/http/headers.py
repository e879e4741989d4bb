"""The headers by which browsers keep a page to its own: its hosts, its frames, its permissions."""

from typing import Final

# Nothing from other hosts, nothing inline; Python in the page needs WebAssembly, and nothing needs
# eval. 'self' covers the site's websockets, too.
_SOURCES: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
_NOBODY: Final = "'none'"
# What no page here asks for, nobody who slips something into one can ask for either.
_PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "idle-detection",
        "local-fonts",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
# A type is what the header says, never what the content looks like.
NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
# Other sites' pages can't have it, not even as an image or a script.
OURS: Final = {"Cross-Origin-Resource-Policy": "same-origin"}
# They may: it is made for them.
EVERYBODYS: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}


def page(*, connects: str = "", framed_by: str = "") -> dict[str, str]:
    """Of a page. `connects`: one more origin that it may ask, `framed_by`: the origins whose pages
    may hold it in a frame."""
    return {
        "Content-Security-Policy": _policy(connects, framed_by),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        # The number in it is of this moment and this node.
        "Cache-Control": "no-store",
        # For browsers that don't know `frame-ancestors`. It can't say "these", so it says nothing
        # where some may.
        **({} if framed_by else {"X-Frame-Options": "DENY"}),
        # A frame of another site's page is a resource of that page.
        **(EVERYBODYS if framed_by else OURS),
        **NOSNIFF,
    }


def asset() -> dict[str, str]:
    """Of a file of a build, whose address names its content."""
    return {
        # A worker lives by the policy that comes with its own script.
        "Content-Security-Policy": _policy(),
        # In small letters, as Sanic's file() looks for it: else it adds a no-cache of its own.
        "cache-control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        **OURS,
        **NOSNIFF,
    }


def script_for_others(etag: str) -> dict[str, str]:
    """Of the script that pages of other sites name."""
    return {
        # An hour: how long a page may go without what was mended in it.
        # In small letters for the same reason as above.
        "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
        "ETag": etag,
        "Vary": "Accept-Encoding",
        **EVERYBODYS,
        **NOSNIFF,
    }


def picture(etag: str, style_hash: str) -> dict[str, str]:
    """Of an SVG whose one style has this SHA-256. In a tab of its own it is a document."""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; sandbox"
        ),
        # The number is of this moment; a copy may be shown if the node says that it still holds.
        "Cache-Control": "no-cache",
        "ETag": etag,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        **EVERYBODYS,
        **NOSNIFF,
    }


def _policy(connects: str = "", framed_by: str = "") -> str:
    asked = f"'self' {connects}".strip()
    return f"{_SOURCES}; connect-src {asked}; frame-ancestors {framed_by or _NOBODY}"
