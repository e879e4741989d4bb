"""Journeys end to end: a real browser, the real balancer, real nodes, links that can be cut.

setup       brings a browser and HAProxy; opens the browser
links       the links between nodes: a TCP proxy for each direction
cluster     three nodes, the links between them, the balancer in front
viewer      a person in front of the page, and all that she was ever shown
refusals    the ways in which a browser can refuse what the page asks of it
"""
