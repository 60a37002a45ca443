"""A map of images in two dimensions: features of images, their layout, and an order by diversity."""
