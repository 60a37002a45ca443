"""The service manager of Linux: readiness, watchdog, units."""
