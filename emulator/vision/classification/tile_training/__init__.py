"""Training of classifiers that look at tiles of large images, from the tags of images alone."""
