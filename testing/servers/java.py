"""How servers in Java are started: small and soon, not fast."""

from collections.abc import Sequence
from pathlib import Path


def java(jars: Path, memory_mb: int, main: str, *arguments: str | Path) -> Sequence[str | Path]:
    """A command that runs the class `main` of these jars. `memory_mb`: of the heap."""
    says = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    soon = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
    return ["java", f"-Xmx{memory_mb}m", *soon, says, "-cp", f"{jars}/*", main, *arguments]
