"""Labels of images: tags, tags on images, regions."""
