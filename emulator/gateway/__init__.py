"""What stands in front of the routes of both servers (`api`, `serving`): versions in paths, keys, headers,
error responses, bodies. Plain ASGI: no FastAPI, no pydantic, no store."""
