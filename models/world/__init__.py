"""The world outside the machine, as far as the simulated machine needs one."""
