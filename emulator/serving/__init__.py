"""A server for one exported model, with the routes of the service's containers and of its prediction API.

It needs no store, no worker and no database package, so that it also runs alone inside a container
(`core.exports.container_program` lists its files). ``python -m emulator.serving`` starts it, and so does
``custom-vision-emulator serve-model``.

* `program`: loads the model, listens and serves; `settings`: the options
* `app`: routes, keys and errors
* `container_routes`, `prediction_routes`: the endpoints of one API each
* `bodies`: images and URLs in bodies of requests
* `scoring`: images to scores
* `in_process`: predictions without a server, for programs that import the files of a container
"""
