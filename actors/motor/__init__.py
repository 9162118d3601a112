"""The guard of the motors.

actor    the motor actor, which is the guard; the only writer of motor outputs
lines    its pins and channels
unit     the same guard as a service of its own
link     the relay that stands in the tree for such a service
"""
