"""The machine: one module per subsystem, `tree` shows how they hang together.

tree        the whole machine on one screen
camera      pictures into the frame ring          inference   what is on them
motor       the belt                              sensors     beams and switches
deposit     the item cycle                        session     who is served
storage     the ledger                            uplink      the way to the server
health      the machine's condition               absent      what is not built yet
drivers/    the ports to hardware, and what stands in for it
"""
