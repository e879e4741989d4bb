"""Journeys end to end: a real browser, the real balancer, real nodes, links that tests can cut.

setup       installs a browser, HAProxy and axe-core
cluster     nodes, the links between them, the balancer in front
viewer      a person in front of the page, and every number that the page has shown her
steering    reloads until the page comes from the node that a test wants
refusals    the ways in which a browser can refuse what the page asks for
audit       what a page costs, and how it behaves while it loads
odd_clips   a node with huge numbers, endless titles and a missing poster
other_site  a site of another origin
life        load on a cluster, folds that come soon, and the check at the end
faults      every fault, by chance; tape: frames of peers, recorded and replayed
chaos       faults for as long as you like
"""
