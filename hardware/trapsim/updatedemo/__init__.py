"""The demo's updates: an operator publishes a good release and a bad one; what becomes of them at the station."""
