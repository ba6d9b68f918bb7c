"""Orders to run jobs: what is asked for, whom it waits for, and the queue that hands it on."""
