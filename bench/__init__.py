"""Performance, as ratios against peers and floors of the same run: `python -m bench` prints a table."""
