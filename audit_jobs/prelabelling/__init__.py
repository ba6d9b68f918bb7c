"""Labels for a whole project or view at once, outside of the day's queue."""
