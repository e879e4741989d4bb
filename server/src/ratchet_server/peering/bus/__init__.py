"""Buses: a transport over message brokers or multicast.

port          what a bus must do for the transport; read it first
transport     the transport: one loop that connects, listens, and begins anew when it is deaf
hearing       which processes are there: whom this node has heard, and what of them is fresh
freshness     how late a message is, without trusting anybody's clock
gathering     pushes that follow each other quickly leave as one message
mailbox       what has come and waits to be merged
outbox        what waits to be published
envelope      the signed form of a message
parts         messages that are larger than the bus takes at once
failures      what a library raises, as an error that the transport understands
ending        ends tasks that run a library's code

kinds         makes the bus of a URL
nats, redis, rabbitmq, kafka, multicast    one bus each, imported only when it is named
"""
