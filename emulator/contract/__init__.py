"""What goes over the wire: versions, operations, shapes of answers and requests, error codes, JSON rules.

Known to `emulator.api` alone. Facts come from `api_spec/`, which says how each of them is known.
"""
