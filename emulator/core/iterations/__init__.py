"""Iterations of a project: managing, publishing, evaluation, performance, import of models."""
