"""Commands that move data: data sets, and projects from and to resources of the service."""
