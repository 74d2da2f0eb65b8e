"""Faces of other tools over raylab, for those who come from them. Thin: no second lab, no second notebook."""
