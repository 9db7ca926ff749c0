"""A discrete-event simulation of a fleet, and what it is calibrated with."""
