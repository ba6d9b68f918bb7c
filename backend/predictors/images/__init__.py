"""Images: decoded, and one choice for each."""
