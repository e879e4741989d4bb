"""Peering: frames go to all other nodes and come from them.

mesh          all connections of a node: dialled and accepted
link          one connection: the handshake, a bounded queue out, frames in
addresses     whom to dial: addresses that were given, and those that peers tell
"""
