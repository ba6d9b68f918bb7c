"""Label Studio 1.23: the client over its SDK, and pure conversions of what it sends and takes."""
