"""What the Linux programs (trapcam, trapbase, trapship) share and a microcontroller never sees (decision 001)."""
