"""Keywords in the metadata of photos: XMP in JPEG files and in sidecars, IPTC in JPEG files."""
