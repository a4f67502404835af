"""What the probes of a client's connection show, and what they leave open."""
