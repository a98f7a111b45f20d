"""Files: read and write images and tables, write outputs completely or not at all, show progress."""
