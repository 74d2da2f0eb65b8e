"""What travels: an experiment and its local modules, packed on a client and loaded by a worker.

Of Ray this needs `ray.cloudpickle` alone, because both ends must use the same, and no running cluster.
"""
