"""What travels: an experiment and its local modules, packed on a client and loaded by a worker.

The layer's law: beside cluster/ this is the one place that touches ray, and it touches only `ray.cloudpickle`,
because both ends must use the same. Nothing here needs a running Ray, and nothing here decides or stores.
"""
