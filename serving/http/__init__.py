"""What the HTTP servers of this project share: how they treat connections."""
