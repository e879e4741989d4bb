"""Stands in for asyncio, which Pyodide imports when it starts and uses only to await.

The page's Python never waits: JavaScript calls it and gets the result at once.
"""
