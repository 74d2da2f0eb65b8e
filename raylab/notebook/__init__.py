"""The disk: put-if-absent files, numbered Arrow tables, rows and their columns. No Ray, no decisions."""
