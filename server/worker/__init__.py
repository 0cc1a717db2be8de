"""The worker: a supervisor without torch, and the loop of its engine child."""
