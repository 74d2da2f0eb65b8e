"""The command `raylab`: its verbs, tables, files for other programs, and the cluster that stays in the background."""
