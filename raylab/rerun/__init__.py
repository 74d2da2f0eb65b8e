"""A recorded trial once more, in a person's process: apart from what else is there, and beside its record."""
