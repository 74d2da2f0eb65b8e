"""A person's process: what is submitted, the way to a lab, calls that survive its restart, waiting and reading."""
