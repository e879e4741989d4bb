#!/bin/sh
# Prints HAProxy's configuration for a list of nodes: render.sh [NAME=]HOST:PORT,[NAME=]HOST:PORT,... BIND_HOST:PORT
# A page can ask for a node whose NAME is given: ?node=NAME. HAProxy's log and stats call it NAME, too; a node without one has
# its address there. These variables change the configuration:
#   RATCHET_CLIENT_CONNECTIONS   how many connections one address may have (1000)
#   RATCHET_CLIENT_VIEWS         how many views one address may count in a minute (3000; 0: any number)
#   RATCHET_PROXIES              ADDRESS[/BITS],...: proxies in front of the balancer, which may have any number (none)
#   RATCHET_STATS                HOST:PORT where HAProxy shows its stats to operators (nowhere)
set -eu

if [ $# -ne 2 ]; then
    echo "usage: render.sh [NAME=]HOST:PORT,... BIND_HOST:PORT    (for instance: render.sh a=127.0.0.1:1234 '*:8080')" >&2
    exit 2
fi

# Pass both through the environment: awk would interpret backslashes in its own arguments. (LC_ALL: a-z are 26 letters.)
LC_ALL=C RENDER_NODES=$1 RENDER_BIND=$2 RENDER_CONNECTIONS=${RATCHET_CLIENT_CONNECTIONS:-1000} \
    RENDER_VIEWS=${RATCHET_CLIENT_VIEWS:-3000} RENDER_PROXIES=${RATCHET_PROXIES:-} RENDER_STATS=${RATCHET_STATS:-} exec awk '
    function fail(message) {
        print "render.sh: " message > "/dev/stderr"
        failed = 1
        exit 2
    }

    # Let no character into the configuration that HAProxy would interpret: above all, no space and no line end.
    function check(what, address, hosts,    host, port) {
        if (!match(address, /:[0-9]+$/))
            fail(what " \"" address "\" is not HOST:PORT")
        host = substr(address, 1, RSTART - 1)
        port = substr(address, RSTART + 1)
        if (host !~ hosts)
            fail(what " \"" address "\" has no valid host (a name, an IPv4 address, or an IPv6 address in brackets)")
        if (length(port) > 5 || port + 0 < 1 || port + 0 > 65535)
            fail(what " \"" address "\" has no valid port (1 to 65535)")
    }

    BEGIN {
        name = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\]"
        bind = ENVIRON["RENDER_BIND"]
        check("the address to bind", bind, "^(" name "|\\*)$")
        if (ENVIRON["RENDER_NODES"] == "")
            fail("no nodes: give at least one HOST:PORT")
        count = split(ENVIRON["RENDER_NODES"], nodes, ",")
        for (i = 1; i <= count; i++) {
            pins[i] = ""
            # A host never contains "=".
            if (at = index(nodes[i], "=")) {
                pins[i] = substr(nodes[i], 1, at - 1)
                if (length(pins[i]) > 63 || pins[i] !~ /^[a-z0-9-]+$/)
                    fail("node \"" nodes[i] "\" has no valid name (1 to 63 of a-z 0-9 -)")
                if (pins[i] in named)
                    fail("the name \"" pins[i] "\" is given twice")
                named[pins[i]]
                nodes[i] = substr(nodes[i], at + 1)
            }
            check("node", nodes[i], "^(" name ")$")
            # An address has a colon, and a name has none, so no two are equal. HAProxy takes no brackets in names.
            names[i] = pins[i]
            if (names[i] == "") {
                names[i] = nodes[i]
                gsub(/[][]/, "", names[i])
            }
            if (nodes[i] in seen)
                fail("node \"" nodes[i] "\" is given twice")
            seen[nodes[i]]
        }
        # How often HAProxy tries to find a file. See the backend `assets`.
        retries = count < 3 ? 1 : 5 * (count - 1)
        connections = ENVIRON["RENDER_CONNECTIONS"]
        if (connections !~ /^[1-9][0-9]*$/ || length(connections) > 5)
            fail("RATCHET_CLIENT_CONNECTIONS \"" connections "\" is not a number from 1 to 99999")
        views = ENVIRON["RENDER_VIEWS"]
        if (views !~ /^[0-9]+$/ || length(views) > 6)
            fail("RATCHET_CLIENT_VIEWS \"" views "\" is not a number from 0 to 999999")
        # HAProxy counts up to here. (It is text: some versions of awk would print such a number as 4.29497e+09.)
        if (views + 0 == 0)
            views = "4294967295"
        proxies = ENVIRON["RENDER_PROXIES"]
        gsub(/,/, " ", proxies)
        if (proxies !~ /^[0-9A-Fa-f.:\/ ]*$/)
            fail("RATCHET_PROXIES \"" proxies "\" has no valid addresses (for instance: 203.0.113.7,2001:db8::/32)")
        stats = ENVIRON["RENDER_STATS"]
        if (stats != "")
            check("RATCHET_STATS", stats, "^(" name "|\\*)$")
    }

    /^ *#/ { print; next }

    /%(NAME|PIN)%/ {
        for (i = 1; i <= count; i++) {
            line = $0
            if (line ~ /%PIN%/ && pins[i] == "")
                continue
            gsub(/%PIN%/, pins[i], line)
            gsub(/%NAME%/, names[i], line)
            gsub(/%ADDRESS%/, nodes[i], line)
            print line
        }
        next
    }

    {
        gsub(/%BIND%/, bind)
        gsub(/%CONNECTIONS%/, connections)
        gsub(/%VIEWS%/, views)
        gsub(/%PROXIES%/, proxies)
        gsub(/%RETRIES%/, retries)
        gsub(/%STATS%/, stats)
        print
    }

    END { exit failed ? 2 : 0 }
' "$(dirname -- "$0")/haproxy.cfg.in" ${RATCHET_STATS:+"$(dirname -- "$0")/stats.cfg.in"}
