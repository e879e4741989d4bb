"""The headers that restrict what a page may load, frame and use, and what caches may keep."""

from typing import Final

# A page loads nothing from other hosts, and has nothing inline. Python in the page needs
# WebAssembly; nothing needs eval. 'self' covers the site's websockets, too.
_SOURCES: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
_NOBODY: Final = "'none'"
# No page here uses these features. Without this list, a script that an attacker injects could.
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
FOR_OTHERS: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
# Scripts of any site may even read this: it is the same for everybody, and no secret.
FOR_ANYBODY: Final = {"Access-Control-Allow-Origin": "*", **FOR_OTHERS}


def page(*, connects: str = "", framed_by: str | None = None) -> dict[str, str]:
    """The headers of a page. `connects`: one more origin that it may send requests to;
    `framed_by`: the other origins whose pages may hold it in a frame, beside the site's own. None:
    no page may."""
    # To a browser, a page in a frame is a resource that the outer page loads.
    frame = {"X-Frame-Options": "DENY", **OURS}
    if framed_by == "":
        frame = {"X-Frame-Options": "SAMEORIGIN", **OURS, **ISOLATED}
    elif framed_by:
        # X-Frame-Options can't list origins. It is for browsers that don't know `frame-ancestors`.
        frame = FOR_OTHERS | ISOLATED
    return {
        "Content-Security-Policy": _policy(connects, framed_by),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": _PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        # The number in the page is this node's, at this moment.
        "Cache-Control": "no-store",
        **frame,
        **NOSNIFF,
    }


def clip() -> dict[str, str]:
    """The headers of a clip or a poster. Its address says nothing about its content, so a cache may
    show its copy once the node confirms it (304)."""
    return {"Cache-Control": "no-cache", **OURS, **NOSNIFF}


def asset() -> dict[str, str]:
    """The headers of a file of a build. Its address names its content, so it never changes."""
    return {
        # A worker gets its policy from its own script's response.
        "Content-Security-Policy": _policy(),
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        **ISOLATED,
        **OURS,
        **NOSNIFF,
    }


def script_for_others(etag: str) -> dict[str, str]:
    """The headers of the script that pages of other sites load."""
    return {
        # After a fix of the script, pages may go on with the old one for up to an hour.
        "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
        "ETag": etag,
        "Vary": "Accept-Encoding",
        **FOR_OTHERS,
        **NOSNIFF,
    }


def core_for_others(etag: str, *, is_lock: bool) -> dict[str, str]:
    """The headers of the core's wheel, and of the lock file that names it."""
    return {
        # The wheel's address names its content. The lock file's does not: a page that went on with
        # an old one after an upgrade would ask for a wheel that is gone.
        "Cache-Control": "no-cache" if is_lock else "public, max-age=31536000, immutable",
        "ETag": etag,
        **FOR_ANYBODY,
        **NOSNIFF,
    }


def description(etag: str) -> dict[str, str]:
    """The headers of the description of all calls. Another version of the node has another one."""
    return {"Cache-Control": "no-cache", "ETag": etag, **FOR_ANYBODY, **NOSNIFF}


def picture(etag: str, style_hash: str) -> dict[str, str]:
    """The headers of an SVG whose only style has this SHA-256. A browser that opens an SVG in a tab
    treats it as a document, so the SVG needs a policy."""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; sandbox"
        ),
        # The number may change at any moment. A cache must ask the node before it uses its copy.
        "Cache-Control": "no-cache",
        "ETag": etag,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        **FOR_OTHERS,
        **NOSNIFF,
    }


def _policy(connects: str = "", framed_by: str | None = None) -> str:
    targets = f"'self' {connects}".strip()
    framers = _NOBODY if framed_by is None else f"'self' {framed_by}".strip()
    return f"{_SOURCES}; connect-src {targets}; frame-ancestors {framers}"
