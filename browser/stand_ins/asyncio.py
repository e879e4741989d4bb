"""Stands in for asyncio. Pyodide imports it when it starts, and uses it only to await.

The page's Python never awaits: JavaScript calls it and gets the result at once.
"""
