"""The client that pulls projects of a resource into archives, and pushes archives into resources."""
