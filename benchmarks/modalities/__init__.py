"""An image and a sound of the same digit: what asking with both gains, and training on both."""
