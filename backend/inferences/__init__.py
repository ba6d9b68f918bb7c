"""What a deployed model answers in production: taken in, sampled, and put before people."""
