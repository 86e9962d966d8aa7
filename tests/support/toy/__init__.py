"""A generator family that lives outside the package: a colour and a size in, a coloured disc out."""
