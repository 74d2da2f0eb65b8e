"""The chaos run: sweeps of known results under random faults, on real clusters with real kills.

`plan` draws what a round does, `truth` knows what must come of it, `clients` is what laptops do meanwhile, `arena`
holds the clusters, `play` plays a round, `report` adds up the figures. The test is tests/ray/test_chaos.py.
"""
