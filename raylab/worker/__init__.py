"""A lease's process: an experiment of any kind, one trial after the other, and the rows that come of it."""
