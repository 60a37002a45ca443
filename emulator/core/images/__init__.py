"""Images of a project: upload, deletion, listing, filters, metadata."""
