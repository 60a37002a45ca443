"""The history of a project's workspace: revisions, and the views that iterations have of it."""
