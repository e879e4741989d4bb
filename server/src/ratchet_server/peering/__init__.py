"""Peering: frames go to all other nodes and come from them.

ports         what a transport and a discovery are; read it first
routes        several transports side by side: a process joins once, and leaves once

mesh          a transport: websockets to all other nodes
dialler       dials, and dials again
link          one connection: the handshake, a bounded queue out, frames in
links         all connections; which of them a process is sent to on
complaints    what peers do wrong, in the log

static        a discovery: the addresses that the operator gave
gossip        a discovery: the addresses that peers tell
addresses     whom the mesh dials, of all that discoveries see
"""
