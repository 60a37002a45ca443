"""Archives of projects from recorded traffic: requests to the service with their responses."""
