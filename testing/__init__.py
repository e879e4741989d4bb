"""What the tests of several packages share: real nodes, and all that is done to them."""
