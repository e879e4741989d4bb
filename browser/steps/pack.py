"""Compresses files before they are served, and names a tree of files by its content."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread
from typing import Final

import brotli  # type: ignore[import-untyped]

# The files worth compressing. Images are compressed already; our zip file is not.
SUFFIXES: Final = frozenset(
    {".css", ".js", ".json", ".mjs", ".py", ".snapshot", ".svg", ".wasm", ".zip"}
)
# 9 is the highest quality that is fast. Every first visit waits for these three kinds of files, so
# a higher quality is worth its time: they are a tenth smaller, for half a minute once for each
# Pyodide. 11 would take another minute for the WebAssembly, and save one hundredth.
BROTLI_QUALITY: Final = {".mjs": 11, ".wasm": 10, ".zip": 11}
BROTLI_QUALITY_ELSE: Final = 9


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """A name for these (path, content) pairs. Equal names mean equal trees."""
    whole = hashlib.sha256()
    for name, content in sorted(files):
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:16]


def tree(folder: Path) -> list[tuple[str, bytes]]:
    """Every file below `folder` except caches: (path within it, content)."""
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def compress(folder: Path, cache: Path) -> tuple[int, int]:
    """Writes `.br` and `.gz` beside each file that shrinks; returns (bytes, bytes as brotli)."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    with ThreadPoolExecutor() as pool:
        packed = sum(pool.map(lambda path: _compress(path, cache), files))
    return sum(path.stat().st_size for path in files), packed


@contextmanager
def ahead(path: Path, cache: Path) -> Iterator[None]:
    """Packs a file in a thread: the largest file takes longer than all the rest together."""
    # A daemon thread, so that a build that is stopped does not wait for it.
    packing = Thread(
        target=_packed, args=(path.read_bytes(), path.suffix, "br", cache), daemon=True
    )
    packing.start()
    yield
    packing.join()


def _compress(path: Path, cache: Path) -> int:
    plain = path.read_bytes()
    if path.suffix not in SUFFIXES:
        return len(plain)
    sizes = [len(plain)]
    for encoding in ("br", "gz"):
        small = _packed(plain, path.suffix, encoding, cache)
        if len(small) < len(plain):
            path.with_name(f"{path.name}.{encoding}").write_bytes(small)
            sizes.append(len(small))
    return min(sizes)


def _packed(plain: bytes, suffix: str, encoding: str, cache: Path) -> bytes:
    quality = BROTLI_QUALITY.get(suffix, BROTLI_QUALITY_ELSE)
    kept = cache / f"{hashlib.sha256(plain).hexdigest()}.{quality}.{encoding}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Rename the file when it is whole. So a build that is stopped here, or two builds at once,
        # leave no half file that the next build would trust.
        with NamedTemporaryFile(dir=cache, delete=False) as aside:
            aside.write(
                brotli.compress(plain, quality=quality)
                if encoding == "br"
                else gzip.compress(plain, mtime=0)
            )
        Path(aside.name).rename(kept)
    return kept.read_bytes()
