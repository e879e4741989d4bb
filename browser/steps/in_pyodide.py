"""Run in Pyodide by trim.mjs: writes /trimmed.zip, what a page needs of Pyodide's one zip file.

A page needs the modules that are imported once Pyodide is ready and the whole core is imported,
but for those that are frozen into Pyodide itself. They are written as bytecode: only Pyodide's own
Python writes bytecode that it can read. They are stored without compression: the whole file
compresses better than its parts.
"""

import sys
from types import CodeType

# Written with everything that compilers can leave out. The core's asserts guard the counts; without
# docstrings `dataclasses` would work out signatures; its line numbers say where a mistake is.
WHOLE = "ratchet/"


def main(core: list[str]) -> None:
    """Import these modules, and keep all that were needed for it."""
    for name in core:
        __import__(name)
    archive = next(path for path in sys.path if path.endswith(".zip"))
    origins = [str(module.__spec__.origin) for module in sys.modules.values() if module.__spec__]
    prefix = f"{archive}/"
    write(archive, sorted({path[len(prefix) :] for path in origins if path.startswith(prefix)}))


def write(archive: str, paths: list[str]) -> None:
    """Write the bytecode of these sources; the same sources make the same bytes."""
    # Imported only here: a page does not need what these modules import.
    import marshal
    import zipfile
    from importlib.util import MAGIC_NUMBER

    # PEP 552: of a source with this hash, which Python never checks. So it holds no date.
    header = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    with zipfile.ZipFile(archive) as sources, zipfile.ZipFile("/trimmed.zip", "w") as trimmed:
        for path in paths:
            whole = path.startswith(WHOLE)
            source = sources.read(path)
            code = compile(source, path, "exec", dont_inherit=True, optimize=0 if whole else 2)
            code = code if whole else _at_its_first_line(code)
            trimmed.writestr(zipfile.ZipInfo(f"{path}c"), header + marshal.dumps(code))


def _at_its_first_line(code: CodeType) -> CodeType:
    """Put every instruction on the line where its function begins: that is a fifth smaller."""
    # CPython's InternalDocs/code_objects.md: an entry is for up to 8 instructions. Here they are of
    # the kind without columns, each on the line of the one before.
    eights, rest = divmod(len(code.co_code) // 2, 8)
    lines = bytes([0xEF, 0]) * eights + (bytes([0xE8 + rest - 1, 0]) if rest else b"")
    consts = [
        _at_its_first_line(one) if isinstance(one, CodeType) else one for one in code.co_consts
    ]
    return code.replace(co_linetable=lines, co_consts=tuple(consts))
