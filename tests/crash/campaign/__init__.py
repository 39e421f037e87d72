"""A campaign: faults of all kinds, one after the other and in pairs, under a load that never ends. See ../README.md."""
