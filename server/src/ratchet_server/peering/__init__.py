"""Peering: sends frames to all other nodes, and receives theirs.

ports         what a transport and a discovery are; read it first
routes        several transports side by side; the node sees one

mesh          a transport: websockets to all other nodes
dialler       dials each address, and again when its connection ends
link          one connection: the handshake, a bounded queue out, frames in
links         all connections, and the best one to each process
complaints    logs what peers do wrong
strangers     nodes of other clusters, for operators to see
together      several coroutines as one
misunderstandings    peers whose frames can't be taken, or that can't take ours

bus/          a transport: a message broker, or multicast
sightings     what all transports report to operators

static        a discovery: the addresses that the operator gave
gossip        a discovery: the addresses that peers report
on_demand     a discovery: peers on a bus that have something large for this node
registry/     a discovery: the addresses in etcd, Consul, ZooKeeper or the DNS
addresses     which of the discovered addresses the mesh dials
shared        which of them several nodes share, so that they are asked again
turns         which host of a name is dialled next
undialable    which URLs nobody can dial
"""
