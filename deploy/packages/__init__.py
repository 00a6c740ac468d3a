"""What deploy/release is made of, a module for each kind of file."""
