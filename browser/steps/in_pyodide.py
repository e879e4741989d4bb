"""Writes /trimmed.zip, the part of Pyodide's library that a page needs. trim.mjs runs this.

A page needs the modules that are imported once Pyodide is ready and the whole core is imported.
Those that are frozen into Pyodide itself are left out. The others are written as bytecode, here,
because only Pyodide's own Python writes bytecode that it can read. They are stored without
compression, because the whole file compresses better than its parts.
"""

import sys
from types import CodeType

# The core is compiled without leaving anything out. Its asserts guard the counts, its line numbers
# say where an error is, and without docstrings `dataclasses` would compute signatures.
WHOLE = "ratchet/"


def main(core: list[str]) -> None:
    """Import these modules, and write all modules that were imported for them."""
    for name in core:
        __import__(name)
    archive = next(path for path in sys.path if path.endswith(".zip"))
    origins = [str(module.__spec__.origin) for module in sys.modules.values() if module.__spec__]
    prefix = f"{archive}/"
    write(archive, sorted({path[len(prefix) :] for path in origins if path.startswith(prefix)}))


def write(archive: str, paths: list[str]) -> None:
    """Write the bytecode of these sources. The same sources give the same bytes."""
    # Import them only here: a page does not need what these modules import.
    import marshal
    import zipfile
    from importlib.util import MAGIC_NUMBER

    # PEP 552: the header holds a hash of the source that Python never checks, and so no date.
    header = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    with zipfile.ZipFile(archive) as sources, zipfile.ZipFile("/trimmed.zip", "w") as trimmed:
        for path in paths:
            whole = path.startswith(WHOLE)
            source = sources.read(path)
            code = compile(source, path, "exec", dont_inherit=True, optimize=0 if whole else 2)
            code = code if whole else _at_its_first_line(code)
            trimmed.writestr(zipfile.ZipInfo(f"{path}c"), header + marshal.dumps(code))


def _at_its_first_line(code: CodeType) -> CodeType:
    """Give every instruction the line where its function begins. The result is a fifth smaller."""
    # CPython's InternalDocs/code_objects.md: an entry covers up to 8 instructions. These entries
    # have no columns, and each is on the line of the one before.
    eights, rest = divmod(len(code.co_code) // 2, 8)
    lines = bytes([0xEF, 0]) * eights + (bytes([0xE8 + rest - 1, 0]) if rest else b"")
    consts = [
        _at_its_first_line(one) if isinstance(one, CodeType) else one for one in code.co_consts
    ]
    return code.replace(co_linetable=lines, co_consts=tuple(consts))
