"""Remote commands, the rules: what may be asked, when it may run, what became of it.

scan           JSON cut into parts without recursion, however deep somebody has nested it
page           what a platform's answer holds: commands, and what is wrong with the others
catalogue      the closed list: arguments, safety class, address and message, deadline
conditions     what the machine must be like for a command to run
lifecycle      from received to an end, what is reported, what a restart does
turn           whose turn it is; a storm is told that we are busy
"""
