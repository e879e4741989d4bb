"""The headers that tell browsers what a page may load, frame and use, and what caches may keep."""

from typing import Final

# A page loads nothing from other hosts, and has nothing inline. Python in the page needs
# WebAssembly; nothing needs eval. 'self' covers the site's websockets, too.
_SOURCES: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
_NOBODY: Final = "'none'"
# No page here uses these features, so a script that an attacker slips in must not get them either.
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
# A page that is isolated from other origins (it has shared memory) frames only documents that send
# this, and these start only workers that send it.
ISOLATED: Final = {"Cross-Origin-Embedder-Policy": "require-corp"}
# Browsers must take the type from the header, and never guess it from the content.
NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
# Pages of other sites can't load this, not even as an image or a script.
OURS: Final = {"Cross-Origin-Resource-Policy": "same-origin"}
# Pages of other sites may load this: it is made for them.
EVERYBODYS: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}


def page(*, connects: str = "", framed_by: str = "") -> dict[str, str]:
    """The headers of a page. `connects`: one more origin that it may send requests to;
    `framed_by`: the origins whose pages may hold it in a frame."""
    return {
        "Content-Security-Policy": _policy(connects, framed_by),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        # The number in the page is this node's, at this moment.
        "Cache-Control": "no-store",
        # For browsers that don't know `frame-ancestors`. This header can't list origins, so a page
        # that some origins may frame goes without it.
        **({} if framed_by else {"X-Frame-Options": "DENY"}),
        # To a browser, a page in a frame is a resource that the outer page loads.
        **(EVERYBODYS | ISOLATED if framed_by else OURS),
        **NOSNIFF,
    }


def asset() -> dict[str, str]:
    """The headers of a file of a build. Its address names its content, so it never changes."""
    return {
        # A worker gets its policy from its own script's response.
        "Content-Security-Policy": _policy(),
        # In small letters, because Sanic's file() looks for that: else it adds its own no-cache.
        "cache-control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        **ISOLATED,
        **OURS,
        **NOSNIFF,
    }


def script_for_others(etag: str) -> dict[str, str]:
    """The headers of the script that pages of other sites load."""
    return {
        # For up to an hour, a page may run without the latest fixes.
        # In small letters for the same reason as above.
        "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
        "ETag": etag,
        "Vary": "Accept-Encoding",
        **EVERYBODYS,
        **NOSNIFF,
    }


def picture(etag: str, style_hash: str) -> dict[str, str]:
    """The headers of an SVG whose one style has this SHA-256. In a tab of its own, an SVG is a
    document, so it needs a policy."""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; sandbox"
        ),
        # The number is of this moment. A cache may show its copy once the node confirms it (304).
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
