"""Files: images, formats and tables read and written, outputs written whole or not at all, progress shown."""
