"""Tests of the portal in a browser. What each of them is for is listed in README.md."""
