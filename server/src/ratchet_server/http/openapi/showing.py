"""The pages, their scripts, and clips."""

from typing import Final

from ratchet_server.http.openapi.words import (
    IF_NONE_MATCH,
    STARTING,
    VIDEO,
    Json,
    call,
    header,
    in_path,
    ok,
    query,
)

_HTML: Final = "text/html"
_SCRIPT: Final = "text/javascript"
_UNBUILT: Final = {503: "no_page"}
_FILE: Final = (
    header("Range", "One part; for several parts the whole is sent."),
    header("If-Range", "The ETag or the time of the part that the client has."),
    IF_NONE_MATCH,
    header("If-Modified-Since", "The time of the copy that the client has."),
)
_WHOLE_OR_PART: Final[dict[int, Json]] = {
    200: {"description": "The file.", "content": {"*/*": {}}},
    206: {"description": "The part.", "content": {"*/*": {}}},
    304: {"description": "The client has this already."},
}
_BEYOND: Final = {416: "range_not_satisfiable"}


def _script(name: str, summary: str) -> Json:
    answers = ok("The script.", kind=_SCRIPT, etag=True)
    return {
        "get": call(name, summary, answers, _UNBUILT, tag="showing", parameters=(IF_NONE_MATCH,))
    }


def _page(name: str, summary: str) -> Json:
    return {"get": call(name, summary, ok("The page.", kind=_HTML), _UNBUILT, tag="showing")}


PATHS: Final[dict[str, Json]] = {
    "/": {
        "get": call(
            "showList",
            "The page that lists the clips",
            ok("The page.", kind=_HTML),
            {400: "bad_after", 503: "not_ready no_page"},
            tag="showing",
            parameters=(
                query(
                    "after",
                    {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,64}$"},
                    "The last clip of the page before.",
                ),
            ),
        )
    },
    "/watch/{video}": {
        "get": call(
            "showClip",
            "The page of a clip",
            ok("The page.", kind=_HTML),
            {404: "no_clip", 503: f"{STARTING[503]} no_page"},
            tag="showing",
            parameters=(VIDEO,),
        )
    },
    "/learn": _page("showLesson", "A lesson on such counters"),
    "/cluster": _page("showCluster", "The page for operators"),
    "/embed": _page("showFrame", "The frame that /view-count.js opens for replicas"),
    "/view-count.js": _script("loadViewCount", "The script that shows counts on other sites"),
    "/count.js": _script("loadCount", "The script that counts the views of other sites' players"),
    "/media/{name}": {
        "get": call(
            "loadClip",
            "A clip, or its poster",
            _WHOLE_OR_PART,
            {404: "not_found", 503: "clip_away busy", **_BEYOND},
            tag="showing",
            parameters=(in_path("name", "The name of the file: `tide.webm`."), *_FILE),
        )
    },
    "/assets/{build}/{name}": {
        "get": call(
            "loadAsset",
            "A file of a build of the page",
            _WHOLE_OR_PART,
            {404: "not_found", **_BEYOND},
            tag="showing",
            parameters=(
                in_path("build", "The build."),
                in_path("name", "The file; it may be in folders."),
                *_FILE,
            ),
        )
    },
    "/pyodide/{name}": {
        "get": call(
            "loadCore",
            "The core for Pyodide pages of other sites: a lock file, and the wheel that it names",
            {
                200: {
                    "description": "The file.",
                    "content": {"application/json": {}, "application/zip": {}},
                },
                304: {"description": "The client has this already."},
            },
            {404: "not_found", 503: "no_page"},
            tag="showing",
            parameters=(in_path("name", "`pyodide-lock.json`, or the wheel."), IF_NONE_MATCH),
        )
    },
}
