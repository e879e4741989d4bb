"""`/pyodide/`: the core's wheel and its lock file, for Pyodide pages of other sites."""

from pathlib import Path
from typing import Final

from sanic import Blueprint, HTTPResponse, Request

from ratchet_server.http import headers
from ratchet_server.http.built import Built
from ratchet_server.http.errors import ApiError
from ratchet_server.http.freshness import etag_of, still_fresh

LOCK: Final = "pyodide-lock.json"


def core_for_others(page: Path | None) -> Blueprint:
    """The files of the built page's `pyodide/`. Any page may read them: they hold only the program.

    `page`: the folder of a page built elsewhere; None: the packaged page.
    """
    blueprint = Blueprint("core_for_others")
    # Both are small. The node reads them once: so they stay those of one build, even if somebody
    # puts another build into the folder.
    files = Built.read(page).for_others.glob("*")
    known = {path.name: path.read_bytes() for path in files if path.is_file()}
    etags = {name: etag_of(content) for name, content in known.items()}

    @blueprint.get("/pyodide/<name:str>")
    async def file(request: Request, name: str) -> HTTPResponse:
        if name not in known:
            raise _missing(name)
        is_lock = name == LOCK
        fields = headers.core_for_others(etags[name], is_lock=is_lock)
        if still_fresh(request, etags[name]):
            return HTTPResponse(status=304, headers=fields)
        kind = "application/json" if is_lock else "application/zip"
        return HTTPResponse(known[name], headers=fields, content_type=kind)

    return blueprint


def _missing(name: str) -> ApiError:
    if name == LOCK:
        message = "This node has no core for other pages: run `make browser`."
        error = ApiError(503, "no_page", message)
    else:
        message = f"This node's build of the page has no such file; read {LOCK} again."
        error = ApiError(404, "not_found", message)
    # Without it, scripts of other sites could not read what is wrong.
    error.headers = headers.FOR_ANYBODY
    return error
