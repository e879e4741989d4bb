"""Compresses what is served beforehand, and names a tree of files by its content."""

import gzip
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import brotli  # type: ignore[import-untyped]

# Worth compressing; a wheel and an image are compressed already.
SUFFIXES: Final = frozenset({".css", ".js", ".json", ".mjs", ".svg", ".wasm", ".zip"})
# 11 makes the 9.6 MB of WebAssembly a tenth smaller and takes 40 s instead of 6.
BROTLI_QUALITY: Final = 9


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """A name for these (path, content) pairs: equal names, equal trees."""
    whole = hashlib.sha256()
    for name, content in sorted(files):
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:16]


def tree(folder: Path) -> list[tuple[str, bytes]]:
    """Every file below `folder`, but caches: (path within it, content)."""
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def compress(folder: Path, cache: Path) -> tuple[int, int]:
    """Writes `.br` and `.gz` beside each file that shrinks; answers (bytes, bytes as brotli)."""
    cache.mkdir(parents=True, exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    with ThreadPoolExecutor() as pool:
        packed = sum(pool.map(lambda path: _compress(path, cache), files))
    return sum(path.stat().st_size for path in files), packed


def _compress(path: Path, cache: Path) -> int:
    plain = path.read_bytes()
    if path.suffix not in SUFFIXES:
        return len(plain)
    name = hashlib.sha256(plain).hexdigest()
    sizes = [len(plain)]
    for suffix in ("br", "gz"):
        kept = cache / f"{name}.{suffix}"
        if not kept.exists():
            small = _brotli(plain) if suffix == "br" else gzip.compress(plain, mtime=0)
            aside = kept.with_suffix(".new")
            aside.write_bytes(small)
            aside.rename(kept)  # a build that is stopped here leaves no half file to be trusted
        if (size := kept.stat().st_size) < len(plain):
            path.with_name(f"{path.name}.{suffix}").write_bytes(kept.read_bytes())
            sizes.append(size)
    return min(sizes)


def _brotli(plain: bytes) -> bytes:
    packed: bytes = brotli.compress(plain, quality=BROTLI_QUALITY)
    return packed
