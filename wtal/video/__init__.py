"""Video files: found, decoded, cropped, turned into optical flow and snippets."""
