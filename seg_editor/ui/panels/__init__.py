"""The panels of the right dock, one file each."""
