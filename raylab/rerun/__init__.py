"""Trials in a person's process: a recorded one once more, beside its record; the first ones of a design."""
