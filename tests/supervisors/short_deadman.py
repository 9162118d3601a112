"""Imported by a zygote, this makes its hosts' alarm ring after half a second."""

from supervisors import host_main

host_main.DEADMAN_S = 0.5
