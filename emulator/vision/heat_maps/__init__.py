"""Where in an image a classifier finds the reasons for a tag."""
