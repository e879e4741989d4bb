"""The commands of `ratchet` that call a running node: status, drain, leave, retire."""
