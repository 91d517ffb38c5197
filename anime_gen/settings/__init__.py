"""Settings as they are written: in YAML of any version of the suite, and on the command line."""
