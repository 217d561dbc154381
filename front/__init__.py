"""What people and machines touch: the command line, the HTTP front, and the wiring of the engines."""
