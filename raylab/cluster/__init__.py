"""The Ray shell: carries out what the ledger decides. The only folder that imports ray."""
