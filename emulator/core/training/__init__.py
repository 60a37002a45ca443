"""Training of iterations: requests, data sets, and the jobs that train."""
