"""A generator family outside the package: a colour and a size go in, a disc comes out."""
