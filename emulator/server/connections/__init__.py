"""Connections and the protocol: limits, slow clients, broken ends."""
