"""Notifications to the client's own Azure storage about finished trainings and exports."""
