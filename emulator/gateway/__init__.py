"""The parts in front of the routes that both servers (`api`, `serving`) share: versions in paths, keys,
headers, error responses and bodies. Plain ASGI: no FastAPI, no pydantic, no store."""
