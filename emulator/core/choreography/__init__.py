"""Choreography: plans for when and how trainings, exports and imports end, and the jobs that are held."""
