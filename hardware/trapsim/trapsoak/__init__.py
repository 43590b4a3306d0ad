"""The trap soaked: thousands of bursts with faults through the real application, in virtual time."""
