"""Registries: services that know where the nodes of a cluster are (`--registry`).

port       what a registry must do; read it first
finder     makes a discovery of any registry: one loop
entries    which entries of a registry are good addresses

known      makes the adapter that a URL names
dns        an adapter: names in the DNS, which others maintain
etcd       an adapter: keys with a lease
consul     an adapter: a service with a check
zookeeper  an adapter: ephemeral nodes
calls      HTTP calls to the servers of a registry, for etcd and Consul
"""
