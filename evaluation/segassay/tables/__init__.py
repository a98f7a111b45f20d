"""Tables: make tidy tables of masks and images, one case at a time; the only room that opens many images."""
