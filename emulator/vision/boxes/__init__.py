"""Boxes on images: the type, arrays of them, overlap, suppression, decoding of detector outputs."""
