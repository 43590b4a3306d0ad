"""The base, soaked: its real parts under kills, power cuts, full disks, outages, a faulty back end, a hostile bus."""
