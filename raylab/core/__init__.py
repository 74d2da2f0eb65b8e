"""The pure core: designs, run order, intervals, the ledger and its plan. No Ray, no clock, no disk."""
