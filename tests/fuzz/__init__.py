"""schemathesis against the running emulator: `api_spec/` says what is sent and what may come back.

`documents` makes what schemathesis reads, `server` runs an emulator that trains at once, `world` fills it,
`hooks` is what schemathesis loads, `running` puts them together. `test_schemathesis` is the short run,
``python -m tests.fuzz`` (``make fuzz``) the long one.
"""
