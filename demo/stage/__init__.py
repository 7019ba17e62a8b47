"""The demo's stage: a small real fleet on one machine, and the means to watch and disturb it."""
