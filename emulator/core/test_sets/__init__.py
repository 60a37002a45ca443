"""Test sets: labeled images that no training uses, and evaluations of iterations on them."""
