"""The server process: data folder, socket, uvicorn, signals."""
