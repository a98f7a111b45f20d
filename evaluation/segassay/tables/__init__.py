"""Tables: masks and images become tidy tables, one case at a time; the only room that opens many images."""
