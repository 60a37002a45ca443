"""Commands of a factory: service, backups, examination, and the folder of a camera."""
