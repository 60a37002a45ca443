"""For every error code that can occur: a request whose response has it. One module for each resource."""
