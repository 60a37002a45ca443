"""What to label next: an order of untagged images, and how many labels the next training needs."""
