"""The Ray shell: carries out what the ledger decides. Beside code/, the only folder that imports ray."""
