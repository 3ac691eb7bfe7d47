"""Workers that solve the cases of a comparison: in this process, in others of this machine, or on a cluster."""
