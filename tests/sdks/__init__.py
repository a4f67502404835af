"""What others built, each in an environment of its own, as clients and as judges."""
