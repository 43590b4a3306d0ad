"""The Pi's application: trigger, frames, detections, sighting, rungs, seal, outbox, uplink (README.md)."""
