"""Writes openapi.json anew."""

from ratchet_server.http.description import FILE
from ratchet_server.http.openapi.document import text

if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
