"""Labels and their photos in files of other programs, written and read."""
