"""A whole lab in virtual time: real verbs, conductor, register, recorder, ledger, worker code and notebook; no Ray.

What is simulated: time, the threads (their work is done inline, in an order drawn from the seed, one piece sometimes
in the middle of another), the cluster with its leases, the disk's errors, the clients' connections, and death. All of
it follows from one seed, so a life that went wrong can be lived again. The notebook lies in a real folder.

`live(seed, root)` lives one life and raises `Broken` if a promise was.
"""
