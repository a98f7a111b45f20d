"""Planning: estimate how many images, raters and seeds the next study needs."""
