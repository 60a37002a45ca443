"""The portal: its built files, which `portal/` is the source of, and the sessions of its users."""
