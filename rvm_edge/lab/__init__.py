"""A machine on the bench, for `rvm-edge sim play`.

machine                     the shipped tree in virtual time
live                        the machine that runs here, in real time
site                        what both are to those who play
visits, technician, shelf   customers and cheats, who repairs, what they put in
judge, tally, report        what was meant, what came of it, and the table
outputs                     the trace of the motor outputs, checked
parts                       a detector that remembers, a disk that can be full
"""
