"""`python -m ratchet_server.settings` prints the README's table of settings."""

import re

from ratchet_server.settings.sources import declared


def table() -> str:
    """All settings as a table in Markdown."""
    lines = ["| variable | flag | default | what it sets |", "|---|---|---|---|"]
    for setting, default in declared():
        flag = f"`{setting.flag}`" if setting.flag else ""
        # In backquotes, because Markdown would make links of the examples.
        text = re.sub(r"https?://[\w.:]+\w", r"`\g<0>`", setting.help)
        lines.append(f"| `{setting.variable}` | {flag} | {default} | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
