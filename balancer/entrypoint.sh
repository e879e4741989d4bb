#!/bin/sh
# Starts HAProxy in the container: chooses the nodes, prints them, renders the configuration, and becomes HAProxy.
set -eu

here=$(dirname -- "$0")
config=/tmp/haproxy.cfg

# Prints the address at which this container reaches the machine that it runs on. Some container engines have a name for that
# address. With others it is the default gateway (in /proc/net/route as hexadecimal, the lowest byte first).
machine() {
    for name in host.docker.internal host.containers.internal; do
        address=$(getent ahostsv4 "$name" | awk '{ print $1; exit }')
        if [ -n "$address" ]; then
            echo "$address"
            return
        fi
    done
    # shellcheck disable=SC2046  # four numbers become four words, on purpose
    set -- $(awk '$2 == "00000000" && $3 != "00000000" {
        for (i = 7; i > 0; i -= 2) print "0x" substr($3, i, 2)
        exit
    }' /proc/net/route)
    if [ $# -eq 4 ]; then
        printf '%d.%d.%d.%d\n' "$@"
    else
        echo 127.0.0.1
    fi
}

if [ -n "${RATCHET_NODES:-}" ]; then
    echo "balancer: the nodes are $RATCHET_NODES (RATCHET_NODES)"
else
    RATCHET_NODES=$(machine):1234
    echo "balancer: RATCHET_NODES is not set. The balancer uses the node at port 1234 of this machine: $RATCHET_NODES"
    echo "balancer: for other nodes: docker run -e RATCHET_NODES=host:port,host:port ... (or a=host:port, for ?node=a)"
fi

sh "$here/render.sh" "$RATCHET_NODES" 0.0.0.0:1234 > "$config"
echo "balancer: listening on port 1234 of the container"

# With a master process (-W), HAProxy handles signals even as process 1, and reloads on SIGUSR2 without losing a websocket.
exec haproxy -W -db -f "$config"
