"""The sensors: `actor`, its analogue `channels`, and `weighing`."""
