"""The client that pulls projects from a resource of the service into archives."""
