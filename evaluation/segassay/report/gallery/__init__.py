"""Gallery: the images with most disagreement, with outlines of all annotators, for the report.

Results, files of each case  ->  gallery (a dictionary, gallery.json)  ->  templates/gallery.html, .css, .js
"""
