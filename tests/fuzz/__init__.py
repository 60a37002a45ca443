"""schemathesis against a running emulator: `api_spec/` defines requests and allowed responses.

`documents` prepares the documents for schemathesis, `server` runs an emulator with instant trainings, `world`
creates its data, `hooks` extends schemathesis, and `running` combines them. `test_schemathesis` is the short
run, ``python -m tests.fuzz`` (``make fuzz``) the long one.
"""
