"""A lab as pages: a report to keep, and a board that is alive. What reads a lab for them, and the board's server."""
