"""Real servers for tests of buses and registries, a file for each kind.

    with Server(Redis(), folder) as server:
        await server.start()

Tests that don't need a server of their own share one: see `shared`.
"""
