"""Training of the feline detector: pictures and their manifest in, a full-integer TFLite net and its papers out."""
