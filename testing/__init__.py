"""What the tests of several parts share: real nodes, started and surely ended."""
