"""What goes over the wire: versions, operations, shapes of requests and responses, error codes, JSON rules.

Only `emulator.api`, `emulator.serving` and `emulator.gateway` import it. The facts come from `api_spec/`,
which names the source of each.
"""
