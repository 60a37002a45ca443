"""A server for one exported model, with the routes of the service's containers and of its prediction API.

It needs no store, no worker and no database package, so that it also runs alone inside of a container
(`core.exports.container_program` lists its files). ``python -m emulator.serving`` starts it, and so does
``custom-vision-emulator serve-model``.

* `program`: load, listen, serve; `settings`: its options
* `app`: routes, keys, errors
* `container_routes`, `prediction_routes`: one API each
* `scoring`: pictures to what the answers say
"""
