"""The lab's actor: its verbs, its loop, what it writes, who waits for news, leases as Ray tasks, labs of a node."""
