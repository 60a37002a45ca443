"""Tests of calls that are forwarded to an upstream."""
