"""Run in Pyodide by trim.mjs: writes /trimmed.zip, what a page needs of Pyodide's one zip file.

Needed is what has been imported once Pyodide is ready and the whole core is imported. What is
frozen into Pyodide itself needs no place. It is written as bytecode, which only Pyodide's own
Python writes so that it can be read there; and stored, for the whole packs better than its parts.
"""

import sys
from types import CodeType

# Its asserts guard the counts; without docstrings `dataclasses` would work out signatures; and its
# line numbers say where a mistake of ours is.
WHOLE = "ratchet/"


def main(core: list[str]) -> None:
    """Import these modules, and keep what that took."""
    for name in core:
        __import__(name)
    archive = next(path for path in sys.path if path.endswith(".zip"))
    origins = [str(module.__spec__.origin) for module in sys.modules.values() if module.__spec__]
    prefix = f"{archive}/"
    write(archive, sorted({path[len(prefix) :] for path in origins if path.startswith(prefix)}))


def write(archive: str, paths: list[str]) -> None:
    """The bytecode of these sources; the same sources, the same bytes."""
    # Only here: what they need, a page need not.
    import marshal
    import zipfile
    from importlib.util import MAGIC_NUMBER

    # By PEP 552: of a source with this hash, which nobody checks. So it holds no date.
    header = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    with zipfile.ZipFile(archive) as sources, zipfile.ZipFile("/trimmed.zip", "w") as trimmed:
        for path in paths:
            whole = path.startswith(WHOLE)
            source = sources.read(path)
            code = compile(source, path, "exec", dont_inherit=True, optimize=0 if whole else 2)
            code = code if whole else _at_its_first_line(code)
            trimmed.writestr(zipfile.ZipInfo(f"{path}c"), header + marshal.dumps(code))


def _at_its_first_line(code: CodeType) -> CodeType:
    """Says of every instruction that it is where its function begins: a fifth smaller."""
    # CPython's InternalDocs/code_objects.md: entries for up to 8 instructions, here of the kind
    # without columns, and each on the line of the one before.
    eights, rest = divmod(len(code.co_code) // 2, 8)
    lines = bytes([0xEF, 0]) * eights + (bytes([0xE8 + rest - 1, 0]) if rest else b"")
    consts = [
        _at_its_first_line(one) if isinstance(one, CodeType) else one for one in code.co_consts
    ]
    return code.replace(co_linetable=lines, co_consts=tuple(consts))
