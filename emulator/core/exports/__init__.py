"""Exports of iterations: requests for them, and the jobs that write them."""
