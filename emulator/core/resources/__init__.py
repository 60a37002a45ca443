"""Resources: groups of projects with keys of their own."""
